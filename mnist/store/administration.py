"""Queries that only an administrator may run: relabel, delete, review, export and import drawings."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Engine, case, delete, func, select, update

from mnist.drawing import IMPORTED, Drawing, UnknownPrediction, parse_label, utc_now
from mnist.store.drawings import as_drawing, in_portions, insert_all
from mnist.store.labels import REVOKED
from mnist.store.room import Room
from mnist.store.session import Storage, by_id, change
from mnist.store.tables import TO_REVIEW, PredictionRow

CHUNK = 500  # drawings per SELECT … IN (ids)
MANY = 1_000  # counts for display stop here: the page then says "1,000 or more"


class Administration(Storage):
    """The administrator's access to everybody's drawings.

    Every method raises StorageUnavailable when the database can't be used.
    """

    def __init__(self, engine: Engine, room: Room | None = None) -> None:
        """room: how large the database may get; None: as large as it likes."""
        super().__init__(engine)
        self._room = room or Room(engine)

    def relabel(self, drawing_id: uuid.UUID, label: int | str | None) -> None:
        """Set a drawing's label, overriding everybody else's; the next retraining learns it even if it learned another.

        label: 0–9, a string of digits for a whole number, or None for "not a digit".
        Raises BadLabel or UnknownPrediction.
        """
        true_label, true_number = parse_label(label)
        decided = (
            update(PredictionRow)
            .where(PredictionRow.id == drawing_id)
            .values(
                true_label=true_label,
                true_number=true_number,
                labelled_at=utc_now(),
                feedback_processed=False,
                processed_by=None,
                set_aside=None,
                reviewed=True,
            )
        )
        with self._session() as session:
            if change(session, decided) == 0:
                raise UnknownPrediction(f"There is no drawing {drawing_id}.")

    def delete(self, ids: Sequence[uuid.UUID]) -> int:
        """Delete drawings permanently; returns how many existed."""
        with self._session() as session:
            return change(session, delete(PredictionRow).where(PredictionRow.id.in_(ids)))

    def waiting_for_review(self) -> int:
        """Number of labels that a retraining disputed and no administrator has reviewed; counting stops at MANY."""
        disputed = select(PredictionRow.labelled_at).where(TO_REVIEW).limit(MANY).subquery()
        with self._session() as session:
            return session.scalar(select(func.count()).select_from(disputed)) or 0

    def to_review(self, *, limit: int) -> list[Drawing]:
        """Drawings whose label is disputed and not yet reviewed, latest label first."""
        latest = (
            select(PredictionRow)
            .where(TO_REVIEW)
            .order_by(PredictionRow.labelled_at.desc(), PredictionRow.id.desc())
            .limit(limit)
        )
        with self._session() as session:
            return [as_drawing(row) for row in session.scalars(latest)]

    def review(self, drawing_id: uuid.UUID, *, accept: bool) -> None:
        """Accept or revoke a label that a retraining has processed; the next retraining obeys.

        A label that was set aside and is now accepted belongs to no version until the next one learns it.
        Raises UnknownPrediction when there is no such drawing, or no retraining has processed it.
        """
        decided = update(PredictionRow).where(
            PredictionRow.id == drawing_id, PredictionRow.feedback_processed.is_(True)
        )
        learned_by = case((PredictionRow.set_aside.is_(None), PredictionRow.processed_by))
        verdict = {"set_aside": None, "processed_by": learned_by} if accept else {"set_aside": REVOKED}
        with self._session() as session:
            if change(session, decided.values(reviewed=True, **verdict)) == 0:
                raise UnknownPrediction(f"There is no drawing {drawing_id} that a retraining has looked at.")

    def labelled(self) -> Iterator[Drawing]:
        """Every labelled drawing, oldest label first; only one portion of the pictures is in memory at a time."""
        for portion in in_portions(self._keys(), lambda key: key.size, most=CHUNK):
            yield from self._fetch([key.id for key in portion])

    def _keys(self) -> Iterator[Any]:
        """Rows (labelled_at, id, size) of all labelled drawings; size: bytes of the picture."""
        row = PredictionRow
        keys = select(row.labelled_at, row.id, func.length(row.image).label("size"))
        return self._paged(keys.where(row.labelled_at.is_not(None)), row.labelled_at, row.id)

    def _fetch(self, ids: Sequence[uuid.UUID]) -> list[Drawing]:
        """The drawings that still exist, in the order of `ids`."""
        with self._session() as session:
            rows = session.scalars(select(PredictionRow).where(PredictionRow.id.in_(ids)))
            return by_id(ids, map(as_drawing, rows))

    def known(self, ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
        """Those of the ids that are in the table."""
        with self._session() as session:
            return set(session.scalars(select(PredictionRow.id).where(PredictionRow.id.in_(ids))))

    def add_new(self, drawings: Sequence[Drawing]) -> int:
        """Store the drawings whose id is not in the table yet, in one transaction; returns how many were new.

        Labels that an administrator brought (IMPORTED) count as reviewed: a retraining believes them all.
        Raises DatabaseFull.
        """
        self._room.check()
        with self._session() as session:
            ids = [drawing.id for drawing in drawings]
            known = set(session.scalars(select(PredictionRow.id).where(PredictionRow.id.in_(ids))))
            new = {drawing.id: drawing for drawing in drawings if drawing.id not in known}
            insert_all(session.connection(), new.values())
            brought = [drawing.id for drawing in new.values() if drawing.source == IMPORTED]
            if brought:
                session.execute(update(PredictionRow).where(PredictionRow.id.in_(brought)).values(reviewed=True))
            return len(new)
