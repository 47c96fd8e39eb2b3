"""Looking back: drawings page by page, and the latest of them at a glance; nothing unbounded is ever read."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, func, not_, select, tuple_

from mnist.drawing import Drawing, as_text
from mnist.store.drawings import IS_RIGHT, as_drawing
from mnist.store.session import Storage, by_id
from mnist.store.tables import PredictionRow

SEARCHED = 10_000  # drawings that one page looks through: a filter that nothing matches costs 5 ms, not a minute
LATEST_DRAWINGS = 10_000
LATEST_LABELS = 3_000
Place = tuple[datetime, uuid.UUID]  # of a drawing among all, by time


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which drawings a page of the history shows; every part narrows the choice."""

    session_id: str | None = None  # None: everybody's
    state: str = "any"  # or "unlabelled", "right", "wrong"
    digit: int | None = None  # read as this digit
    verdict: str | None = None  # one of Verdict
    source: str | None = None
    version: int | None = None  # of the network that read it
    since: datetime | None = None
    until: datetime | None = None  # the first moment that is too late


@dataclass(frozen=True, slots=True)
class Page:
    """Some drawings, newest first."""

    drawings: Sequence[Drawing]
    older: Place | None  # where to go on; None: there is nothing older


@dataclass(frozen=True, slots=True)
class Label:
    """What a person said about one drawing, beside what was read; without the picture."""

    drawing_id: uuid.UUID
    labelled_at: datetime
    model_version: int
    guess: str | None  # None: not read as a digit
    truth: str | None  # None: "not a digit"
    confidence: float  # 0–1

    @property
    def is_right(self) -> bool:
        return self.guess == self.truth


class History(Storage):
    """Every method raises StorageUnavailable when the database can't do its part."""

    def page(self, wanted: Wanted, *, limit: int, before: Place | None = None) -> Page:
        """Drawings newest first, from the one after `before`; no matter how far back, a page costs the same.

        At most SEARCHED drawings are looked through: a page may be empty and yet have an older one.
        """
        row = PredictionRow
        place = tuple_(row.created_at, row.id)
        newest_first = (row.created_at.desc(), row.id.desc())
        among = []
        if wanted.session_id is not None:
            among.append(row.session_id == wanted.session_id)
        if wanted.since is not None:
            among.append(row.created_at >= wanted.since)
        if wanted.until is not None:
            among.append(row.created_at < wanted.until)
        if before is not None:
            among.append(place < before)
        filters = _filters(wanted)
        with self._session() as session:
            end: Any = None
            if filters:
                last = (
                    select(row.created_at, row.id).where(*among).order_by(*newest_first).offset(SEARCHED - 1).limit(1)
                )
                if (end := session.execute(last).one_or_none()) is not None:
                    among.append(place >= tuple(end))
            # The ids first, and one more than is shown: an index holds all that is asked for, the pictures come after.
            matching = select(row.created_at, row.id).where(*among, *filters).order_by(*newest_first).limit(limit + 1)
            places = session.execute(matching).all()
            pictures = select(row).where(row.id.in_([each.id for each in places[:limit]])).order_by(*newest_first)
            drawings = [as_drawing(each) for each in session.scalars(pictures)]
        if len(places) > limit:
            end = places[limit - 1]
        return Page(drawings, None if end is None else (end[0], end[1]))

    def some(self, ids: Sequence[uuid.UUID], *, most: int) -> list[Drawing]:
        """The first of these drawings, in this order, as far as they still exist."""
        wanted = select(PredictionRow).where(PredictionRow.id.in_(ids[:most]))
        with self._session() as session:
            return by_id(ids[:most], map(as_drawing, session.scalars(wanted)))

    def labelled_by(self, session_id: str) -> set[uuid.UUID]:
        """Which drawings a session has labelled; the latest LATEST_LABELS of its drawings are looked at."""
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
        """How many of the latest LATEST_DRAWINGS came on each day (UTC) from each source."""
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
                moment = func.timezone("UTC", moment)  # date() would take the connection's own zone
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
    if wanted.state == "unlabelled":
        conditions.append(row.labelled_at.is_(None))
    elif wanted.state in ("right", "wrong"):
        conditions += [row.labelled_at.is_not(None), IS_RIGHT if wanted.state == "right" else not_(IS_RIGHT)]
    return conditions
