"""Queries over stored drawings: pages of the history and statistics of the latest ones, all of bounded cost.

Pictures come apart from the rest, so that no list holds all of its pictures at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, func, not_, select, tuple_

from mnist.drawing import Record, as_text
from mnist.store.drawings import IS_RIGHT, RECORD, as_record, in_portions
from mnist.store.session import Storage, by_id
from mnist.store.tables import PredictionRow

SEARCHED = 10_000  # drawings that one page scans: a filter without a match costs 5 ms instead of a minute
LATEST_DRAWINGS = 10_000
LATEST_LABELS = 3_000
NON_DIGIT, NUMBER = "not a digit", "a number"  # labels that are no digit, as `Wanted.truth` names them
Place = tuple[datetime, uuid.UUID]  # (created_at, id): the cursor from which the next page goes on


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


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the history, newest drawing first."""

    drawings: Sequence[Record]
    older: Place | None  # pass it as `before` for the next page; None: this is the last page


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
        """The next `limit` matching drawings older than `before`; a page far back costs no more than the first.

        Scans at most SEARCHED drawings, so a page may be empty although older ones follow.
        """
        row = PredictionRow
        place = tuple_(row.created_at, row.id)
        newest_first = (row.created_at.desc(), row.id.desc())
        window = []
        if wanted.session_id is not None:
            window.append(row.session_id == wanted.session_id)
        if wanted.since is not None:
            window.append(row.created_at >= wanted.since)
        if wanted.until is not None:
            window.append(row.created_at < wanted.until)
        if before is not None:
            window.append(place < before)
        filters = _filters(wanted)
        with self._session() as session:
            end: Any = None
            if filters:
                last = (
                    select(row.created_at, row.id).where(*window).order_by(*newest_first).offset(SEARCHED - 1).limit(1)
                )
                if (end := session.execute(last).one_or_none()) is not None:
                    window.append(place >= tuple(end))
            # First the keys, which one index answers alone, with one more than is shown; then the rows.
            matching = select(row.created_at, row.id).where(*window, *filters).order_by(*newest_first).limit(limit + 1)
            places = session.execute(matching).all()
            shown = RECORD.where(row.id.in_([each.id for each in places[:limit]])).order_by(*newest_first)
            drawings = [as_record(each) for each in session.execute(shown)]
        if len(places) > limit:
            end = places[limit - 1]
        return Page(drawings, None if end is None else (end[0], end[1]))

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
