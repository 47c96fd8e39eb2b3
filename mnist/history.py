"""Looking back: drawings page by page, and the latest of them at a glance; nothing unbounded is ever read."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, select, tuple_

from mnist.database import PredictionRow
from mnist.repository import IS_RIGHT, Drawing, as_drawing, as_text
from mnist.storage import Storage

SEARCHED = 20_000  # drawings that one page looks through: a filter that nothing matches costs 20 ms, not a minute
LATEST_DRAWINGS = 10_000
LATEST_LABELS = 5_000

Place = tuple[datetime, uuid.UUID]  # of a drawing among all, by time


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which drawings a page of the history shows; every part narrows the choice."""

    session_id: str | None = None  # None: everybody's
    state: str = "any"  # or "unlabelled", "right", "wrong"
    digit: int | None = None  # read as this digit
    verdict: str | None = None  # "digit", "unsure" or "not_a_digit"
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
        window = select(row.created_at, row.id, row.verdict, row.source, row.model_version, row.predicted_digit)
        window = window.add_columns(row.labelled_at, IS_RIGHT.label("is_right"))
        if wanted.session_id is not None:
            window = window.where(row.session_id == wanted.session_id)
        if wanted.since is not None:
            window = window.where(row.created_at >= wanted.since)
        if wanted.until is not None:
            window = window.where(row.created_at < wanted.until)
        if before is not None:
            window = window.where(place < before)
        newest_first = (row.created_at.desc(), row.id.desc())
        window = window.order_by(*newest_first).limit(SEARCHED)
        looked_at = window.subquery()
        matching = (
            select(looked_at.c.id)
            .where(*_filters(wanted, looked_at.c))
            .order_by(looked_at.c.created_at.desc(), looked_at.c.id.desc())
            .limit(limit + 1)  # one more tells whether there is a next page
        )
        with self._session() as session:
            ids = list(session.scalars(matching))
            drawings = [
                as_drawing(found)
                for found in session.scalars(select(row).where(row.id.in_(ids)).order_by(*newest_first))
            ]
            if len(drawings) > limit:
                last = drawings[limit - 1]
                return Page(drawings[:limit], (last.created_at, last.id))
            end = session.execute(
                window.with_only_columns(row.created_at, row.id).limit(1).offset(SEARCHED - 1)
            ).one_or_none()
            return Page(drawings, None if end is None else (end[0], end[1]))

    def some(self, ids: Sequence[uuid.UUID], *, most: int, session_id: str | None = None) -> list[Drawing]:
        """The first of these drawings, in this order; only one session's when it is named.

        ids: at most LATEST_LABELS.
        """
        with self._session() as session:
            if session_id is not None:
                mine = select(PredictionRow.id).where(PredictionRow.session_id == session_id, PredictionRow.id.in_(ids))
                owned = set(session.scalars(mine))
                ids = [each for each in ids if each in owned]
            wanted = select(PredictionRow).where(PredictionRow.id.in_(ids[:most]))
            found = {row.id: as_drawing(row) for row in session.scalars(wanted)}
        return [found[each] for each in ids[:most] if each in found]

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
            select(row.created_at, row.source).order_by(row.created_at.desc(), row.id.desc()).limit(LATEST_DRAWINGS)
        )
        with self._session() as session:
            return Counter((created_at.date(), source) for created_at, source in session.execute(latest))


def _filters(wanted: Wanted, of: Any) -> list[ColumnElement[bool]]:
    conditions = []
    for column, value in (
        (of.predicted_digit, wanted.digit),
        (of.verdict, wanted.verdict),
        (of.source, wanted.source),
        (of.model_version, wanted.version),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.state == "unlabelled":
        conditions.append(of.labelled_at.is_(None))
    elif wanted.state in ("right", "wrong"):
        conditions.append(and_(of.labelled_at.is_not(None), of.is_right.is_(wanted.state == "right")))
    return conditions
