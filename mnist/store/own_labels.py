"""What one person said about their own drawings, as recognition reads it."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, func, or_, select

from mnist.drawing import as_text
from mnist.store.labels import REVOKED
from mnist.store.session import Storage
from mnist.store.tables import PredictionRow


@dataclass(frozen=True, slots=True)
class Stamp:
    """Tells whether a person's labels are still the same: each way to change them changes one of the two."""

    count: int
    latest: datetime


@dataclass(frozen=True, slots=True)
class OwnLabel:
    """One labelled drawing, without its picture."""

    id: uuid.UUID
    labelled_at: datetime
    truth: str | None  # "7", "2026"; None: not a digit
    size: int  # bytes of the picture


class OwnLabels(Storage):
    """The labels of one session at a time. What an administrator revoked is left out.

    Every method raises StorageUnavailable when the database can't be used.
    """

    def stamps(self, session_ids: Collection[str]) -> dict[str, Stamp]:
        """The stamps of those sessions that have labels; asked for each answer, so it reads nothing but an index."""
        with self._connection("read") as connection:
            rows = connection.execute(_STAMPS, {"sessions": list(session_ids)}).all()
        return {session_id: Stamp(count, latest) for session_id, count, latest in rows}

    def latest(self, session_id: str, limit: int) -> list[OwnLabel]:
        """A session's labels, the latest first."""
        with self._connection("read") as connection:
            rows = connection.execute(_LATEST, {"session": session_id, "most": limit}).all()
        return [OwnLabel(row.id, row.labelled_at, as_text(row.true_label, row.true_number), row.size) for row in rows]

    def pictures(self, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, bytes]:
        """The encoded pictures of those drawings that still exist."""
        with self._connection("read") as connection:
            rows = connection.execute(_PICTURES, {"ids": list(ids)}).all()
        return {drawing_id: bytes(image) for drawing_id, image in rows}


_row = PredictionRow
_COUNTS = and_(_row.labelled_at.is_not(None), or_(_row.set_aside.is_(None), _row.set_aside != REVOKED))
_STAMPS: Any = (
    select(_row.session_id, func.count(), func.max(_row.labelled_at))
    .where(_row.session_id.in_(bindparam("sessions", expanding=True)), _COUNTS)
    .group_by(_row.session_id)
)
_LATEST: Any = (
    select(_row.id, _row.labelled_at, _row.true_label, _row.true_number, func.length(_row.image).label("size"))
    .where(_row.session_id == bindparam("session"), _COUNTS)
    .order_by(_row.labelled_at.desc(), _row.id.desc())
    .limit(bindparam("most"))
)
_PICTURES: Any = select(_row.id, _row.image).where(_row.id.in_(bindparam("ids", expanding=True)))
