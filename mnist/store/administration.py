"""What only an administrator asks of the database: change anybody's label, delete, review, carry labels elsewhere."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import delete, func, select, update

from mnist.drawing import Drawing, UnknownPrediction, parse_label, utc_now
from mnist.store.drawings import as_drawing, in_portions, insert_all
from mnist.store.session import Storage, by_id, change
from mnist.store.tables import TO_REVIEW, PredictionRow

CHUNK = 500  # drawings that one statement names
MANY = 1_000


class Administration(Storage):
    """Every method raises StorageUnavailable when the database can't do its part."""

    def relabel(self, drawing_id: uuid.UUID, label: int | str | None) -> None:
        """Say what a drawing is, above everybody's word; the next retraining learns it, whatever was learned before.

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
        """Remove drawings for good. Returns how many there were."""
        with self._session() as session:
            return change(session, delete(PredictionRow).where(PredictionRow.id.in_(ids)))

    def waiting_for_review(self) -> int:
        """Labels that a retraining disputed and nobody has decided about yet; counted up to MANY."""
        disputed = select(PredictionRow.labelled_at).where(TO_REVIEW).limit(MANY).subquery()
        with self._session() as session:
            return session.scalar(select(func.count()).select_from(disputed)) or 0

    def to_review(self, *, limit: int) -> list[Drawing]:
        """The disputed ones, the latest label first."""
        latest = (
            select(PredictionRow)
            .where(TO_REVIEW)
            .order_by(PredictionRow.labelled_at.desc(), PredictionRow.id.desc())
            .limit(limit)
        )
        with self._session() as session:
            return [as_drawing(row) for row in session.scalars(latest)]

    def labelled(self) -> Iterator[Drawing]:
        """Every labelled drawing, oldest label first, a portion of the pictures in memory at a time."""
        for portion in in_portions(self._places(), lambda place: place.size, most=CHUNK):
            yield from self._some([place.id for place in portion])

    def _places(self) -> Iterator[Any]:
        """Which drawings have a label, and how large their pictures are."""
        row = PredictionRow
        places = select(row.labelled_at, row.id, func.length(row.image).label("size"))
        return self._in_turn(places.where(row.labelled_at.is_not(None)), row.labelled_at, row.id)

    def _some(self, ids: Sequence[uuid.UUID]) -> list[Drawing]:
        """In this order, as far as they still exist."""
        with self._session() as session:
            rows = session.scalars(select(PredictionRow).where(PredictionRow.id.in_(ids)))
            return by_id(ids, map(as_drawing, rows))

    def add_new(self, drawings: Sequence[Drawing]) -> int:
        """Store those that are not there yet, in one transaction. Returns how many were new."""
        with self._session() as session:
            ids = [drawing.id for drawing in drawings]
            known = set(session.scalars(select(PredictionRow.id).where(PredictionRow.id.in_(ids))))
            new = {drawing.id: drawing for drawing in drawings if drawing.id not in known}
            insert_all(session.connection(), new.values())
            return len(new)
