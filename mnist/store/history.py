"""Queries over stored drawings: pages of the history and statistics of the latest ones, all of bounded cost.

Pictures come apart from the rest, so that no list holds all of its pictures at once.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, func, not_, select, tuple_
from sqlalchemy.orm import Session

from mnist.drawing import Record, as_text
from mnist.store.drawings import IS_RIGHT, RECORD, as_record, in_portions
from mnist.store.session import Storage, by_id
from mnist.store.tables import PredictionRow

SEARCHED = 10_000  # drawings that one page scans: a filter without a match costs 5 ms instead of a minute
SORTED = 1_000  # drawings that are put in the order of their confidence: the latest ones that match
LATEST_DRAWINGS = 10_000
LATEST_LABELS = 3_000
NON_DIGIT, NUMBER = "not a digit", "a number"  # labels that are no digit, as `Wanted.truth` names them
# The cursor from which the next page goes on: (created_at, id), with the confidence before it in that order.
Place = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters of the history; all must match, and None (for state: "any") matches everything."""

    session_id: str | None = None  # whose drawings
    state: str = "any"  # "any", "unlabelled", or how a labelled drawing was predicted: "right", "wrong"
    digit: int | None = None  # the predicted digit, 0–9
    verdict: str | None = None  # one of Verdict
    source: str | None = None
    version: int | None = None  # of the model that read it
    truth: str | None = None  # the label: "0" to "9", NON_DIGIT or NUMBER
    since: datetime | None = None  # inclusive
    until: datetime | None = None  # exclusive
    least_sure: bool = False  # the order: by confidence, the lowest first; False: by time, the newest first


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the history."""

    drawings: Sequence[Record]
    older: Place | None  # pass it as `before` for the next page; None: this is the last page


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What stands beside a drawing in the list; None where the list ends."""

    previous: uuid.UUID | None
    next: uuid.UUID | None


@dataclass(frozen=True, slots=True)
class Label:
    """The label and the prediction of one drawing, without its picture."""

    drawing_id: uuid.UUID
    labelled_at: datetime
    model_version: int
    guess: str | None  # the prediction as text; None: no digit
    truth: str | None  # the label as text; None: "not a digit"
    confidence: float  # 0–1

    @property
    def is_right(self) -> bool:
        return self.guess == self.truth


class History(Storage):
    """Reads past drawings. Every method raises StorageUnavailable when the database can't be used."""

    def page(self, wanted: Wanted, *, limit: int, before: Place | None = None) -> Page:
        """The next `limit` matching drawings after the place `before`; a page far back costs no more than the first.

        Scans at most SEARCHED drawings, so a page may be empty although older ones follow. By confidence, the list ends
        after SORTED drawings.
        """
        with self._session() as session:
            # First the keys, which one index answers alone, with one more than is shown; then the rows.
            if wanted.least_sure:
                end, places = None, _least_sure(session, wanted)
                places = places[bisect_right(places, before) if before else 0 :][: limit + 1]
            else:
                places, end = _scan(session, wanted, limit + 1, before)
            ids = [place[-1] for place in places[:limit]]
            shown = RECORD.where(PredictionRow.id.in_(ids))
            drawings = by_id(ids, map(as_record, session.execute(shown)))
        return Page(drawings, places[limit - 1] if len(places) > limit else end)

    def neighbours(self, wanted: Wanted, drawing: Record) -> Neighbours:
        """The drawings before and after this one in the list, which need not match the filters itself."""
        place: Place = (drawing.created_at, drawing.id)
        with self._session() as session:
            if wanted.least_sure:
                place = (drawing.confidence, *place)
                places = _least_sure(session, wanted)
                before, after = places[: bisect_left(places, place)][-1:], places[bisect_right(places, place) :][:1]
            else:
                before, after = (_scan(session, wanted, 1, place, newer=newer)[0] for newer in (True, False))
        previous, following = (found[0][-1] if found else None for found in (before, after))
        return Neighbours(previous, following)

    def count(self, wanted: Wanted) -> tuple[int, bool]:
        """How many drawings match among the latest SEARCHED, and whether those are all there are."""
        row = PredictionRow
        with self._session() as session:
            window, end = _bounded(session, _window(wanted))
            counted = select(row.id).where(*window, *_filters(wanted)).subquery()
            return session.scalar(select(func.count()).select_from(counted)) or 0, end is None

    def some(self, ids: Sequence[uuid.UUID], *, most: int) -> list[Record]:
        """The first `most` of these drawings, in the order of `ids`; deleted ones are left out."""
        wanted = RECORD.where(PredictionRow.id.in_(ids[:most]))
        with self._session() as session:
            return by_id(ids[:most], map(as_record, session.execute(wanted)))

    def pictures(self, ids: Sequence[uuid.UUID]) -> Iterator[tuple[uuid.UUID, bytes]]:
        """(id, encoded picture) of each of these drawings that exists; one portion of them is in memory at a time."""
        row = PredictionRow
        with self._session() as session:
            sizes = session.execute(select(row.id, func.length(row.image).label("size")).where(row.id.in_(ids))).all()
        for portion in in_portions(sizes, lambda key: key.size):
            with self._session() as session:
                found = session.execute(select(row.id, row.image).where(row.id.in_([key.id for key in portion]))).all()
            for drawing_id, picture in found:
                yield drawing_id, bytes(picture)

    def labelled_by(self, session_id: str) -> set[uuid.UUID]:
        """Ids of the labelled drawings among a session's latest LATEST_LABELS."""
        row = PredictionRow
        latest = (
            select(row.id, row.labelled_at)
            .where(row.session_id == session_id)
            .order_by(row.created_at.desc(), row.id.desc())
            .limit(LATEST_LABELS)
        )
        with self._session() as session:
            return {drawing_id for drawing_id, labelled_at in session.execute(latest) if labelled_at is not None}

    def labels(self) -> list[Label]:
        """The latest LATEST_LABELS labels, newest first."""
        row = PredictionRow
        latest = (
            select(
                row.id,
                row.labelled_at,
                row.model_version,
                row.predicted_digit,
                row.predicted_number,
                row.true_label,
                row.true_number,
                row.confidence,
            )
            .where(row.labelled_at.is_not(None))
            .order_by(row.labelled_at.desc(), row.id.desc())
            .limit(LATEST_LABELS)
        )
        with self._session() as session:
            return [
                Label(
                    id_,
                    cast(datetime, labelled_at),
                    version,
                    as_text(digit, number),
                    as_text(label, true_number),
                    confidence,
                )
                for id_, labelled_at, version, digit, number, label, true_number, confidence in session.execute(latest)
            ]

    def drawings_a_day(self) -> dict[tuple[date, str], int]:
        """Number of drawings by (UTC day, source), among the latest LATEST_DRAWINGS."""
        row = PredictionRow
        latest = (
            select(row.created_at, row.source)
            .order_by(row.created_at.desc(), row.id.desc())
            .limit(LATEST_DRAWINGS)
            .subquery()
        )
        with self._session() as session:
            moment: Any = latest.c.created_at
            if session.get_bind().dialect.name == "postgresql":
                moment = func.timezone("UTC", moment)  # date() would use the time zone of the connection
            day = func.date(moment)
            counted = select(day, latest.c.source, func.count()).group_by(day, latest.c.source)
            return {(date.fromisoformat(str(when)), source): count for when, source, count in session.execute(counted)}


_KEY: Any = (PredictionRow.created_at, PredictionRow.id)


def _window(wanted: Wanted) -> list[ColumnElement[bool]]:
    row, conditions = PredictionRow, []
    if wanted.session_id is not None:
        conditions.append(row.session_id == wanted.session_id)
    if wanted.since is not None:
        conditions.append(row.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(row.created_at < wanted.until)
    return conditions


def _scan(
    session: Session, wanted: Wanted, limit: int, start: Place | None = None, *, newer: bool = False
) -> tuple[list[Place], Place | None]:
    """The next `limit` matching places from `start` on, and where the search ended if it was cut short."""
    window, filters, end = _window(wanted), _filters(wanted), None
    if start is not None:
        window.append(tuple_(*_KEY) > start if newer else tuple_(*_KEY) < start)
    if filters:
        window, end = _bounded(session, window, newer=newer)
    matching = select(*_KEY).where(*window, *filters).order_by(*_order(newer)).limit(limit)
    return [tuple(place) for place in session.execute(matching)], end


def _bounded(
    session: Session, window: Sequence[ColumnElement[bool]], *, newer: bool = False
) -> tuple[list[ColumnElement[bool]], Place | None]:
    """The window cut to SEARCHED drawings, and the last of them if that left any out."""
    last = select(*_KEY).where(*window).order_by(*_order(newer)).offset(SEARCHED - 1).limit(1)
    if (found := session.execute(last).one_or_none()) is None:
        return [*window], None
    end: Place = tuple(found)
    return [*window, tuple_(*_KEY) <= end if newer else tuple_(*_KEY) >= end], end


def _order(newer: bool) -> list[Any]:
    return [column.asc() if newer else column.desc() for column in _KEY]


def _least_sure(session: Session, wanted: Wanted) -> list[Place]:
    """The places of the latest SORTED matching drawings by confidence; sorted here, because no index does it."""
    ids = [place[-1] for place in _scan(session, wanted, SORTED)[0]]
    row = PredictionRow
    found = session.execute(select(row.confidence, row.created_at, row.id).where(row.id.in_(ids)))
    return sorted(tuple(place) for place in found)


def _filters(wanted: Wanted) -> list[ColumnElement[bool]]:
    row = PredictionRow
    conditions: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (row.predicted_digit, wanted.digit),
            (row.verdict, wanted.verdict),
            (row.source, wanted.source),
            (row.model_version, wanted.version),
        )
        if value is not None
    ]
    if wanted.truth == NUMBER:
        conditions.append(row.true_number.is_not(None))
    elif wanted.truth == NON_DIGIT:
        conditions += [row.labelled_at.is_not(None), row.true_label.is_(None), row.true_number.is_(None)]
    elif wanted.truth is not None:
        conditions.append(row.true_label == int(wanted.truth))
    if wanted.state == "unlabelled":
        conditions.append(row.labelled_at.is_(None))
    elif wanted.state in ("right", "wrong"):
        conditions += [row.labelled_at.is_not(None), IS_RIGHT if wanted.state == "right" else not_(IS_RIGHT)]
    return conditions
