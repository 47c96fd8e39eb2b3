"""People's labels as a retraining reads them, and the marks that record what it did with each."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice
from typing import Any

from sqlalchemy import and_, func, not_, select, tuple_, update
from sqlalchemy.orm import Session

from mnist.drawing import Drawing
from mnist.store.drawings import IS_RIGHT, as_drawing, in_portions
from mnist.store.session import Storage, by_id
from mnist.store.tables import ModelRow, PredictionRow

CHUNK = 500  # ids per statement
HELD_OUT = "held_out"  # kept for evaluation: this person's drawings are never trained on
ROLLED_BACK = "rolled_back"  # the version that learned it was rolled back
REVOKED = "revoked"  # an administrator rejected it


@dataclass(frozen=True, slots=True)
class Feedback:
    """One labelled drawing with the state that earlier retrainings left; see mnist/store/tables.py."""

    id: uuid.UUID
    session_id: str | None
    network: str | None  # a keyed digest; None: a session that a key vouches for, or none was stored
    source: str
    image: bytes = field(repr=False)  # PNG, as it was drawn
    true_label: int | None  # None: a whole number, or "not a digit"
    true_number: str | None
    labelled_at: datetime
    is_processed: bool
    processed_by: int | None
    set_aside: str | None
    reviewed: bool
    predicted_digit: int | None
    predicted_number: str | None
    verdict: str  # "": it was imported, and nobody knows what was read

    @property
    def is_correction(self) -> bool:
        """Whether the person contradicted what they were told, instead of confirming it."""
        told, said = (self.predicted_digit, self.predicted_number), (self.true_label, self.true_number)
        return self.verdict != "" and told != said


@dataclass(frozen=True, slots=True)
class Mark:
    """What a retraining did with one label; it is written only if the label is still the one that was read.

    Changing a label renews `labelled_at`, and reviewing it sets `reviewed`; so the two tell whether it is the same.
    """

    id: uuid.UUID
    labelled_at: datetime
    set_aside: str | None = None  # the reason why it was not trained on; None: it was
    reviewed: bool = False  # its value when the run read the label


@dataclass(frozen=True, slots=True)
class Contribution:
    """How many of a person's labels one model version learned from."""

    version: int
    labels: int


class Labels(Storage):
    """Labels and their marks.

    Every method raises StorageUnavailable when the database can't be used; nothing is changed then.
    """

    def waiting(self, at_most: int | None = None) -> int:
        """Number of labels that no retraining has processed yet; counting stops at `at_most`."""
        waiting = and_(_IS_FEEDBACK, PredictionRow.feedback_processed.is_(False))
        counted = select(PredictionRow.labelled_at).where(waiting).limit(at_most).subquery()
        with self._session() as session:
            return session.scalar(select(func.count()).select_from(counted)) or 0

    def read(self, limit: int) -> Iterator[Feedback]:
        """At most `limit` labels: new ones, oldest first; then accepted and held-out ones, newest first; then the rest.

        If there are more, new ones take at most half of the places that accepted ones would have. One portion of the
        pictures is in memory at a time, each read in a transaction of its own; labels given meanwhile may be missing.
        """
        for portion in in_portions(self._reading_order(limit), lambda key: key.size, most=CHUNK):
            yield from self._fetch([key.id for key in portion])

    def _reading_order(self, limit: int) -> list[Any]:
        """Keys in the order of `read`: a flood of new labels must not displace all that was learned before."""
        waiting = list(islice(self._keys(processed=False), limit))
        accepted: list[Any] = []
        others: list[Any] = []
        for key in self._keys(processed=True):
            group = accepted if key.set_aside in (None, HELD_OUT) else others
            if len(group) < limit:
                group.append(key)
            if len(accepted) == limit:
                break
        half = limit // 2
        order = [*waiting[:half], *accepted, *waiting[half:], *others]
        once = {key.id: key for key in order}  # a label that changes between the queries may be in both
        return list(islice(once.values(), limit))

    def _keys(self, *, processed: bool) -> Iterator[Any]:
        """Rows (labelled_at, id, set_aside, size); size: bytes of the picture."""
        wanted = _KEYS.where(_IS_FEEDBACK, PredictionRow.feedback_processed.is_(processed))
        return self._paged(wanted, PredictionRow.labelled_at, PredictionRow.id, backwards=processed)

    def _fetch(self, ids: Sequence[uuid.UUID]) -> list[Feedback]:
        """The labels that still exist, in the order of `ids`."""
        with self._session() as session:
            rows = session.execute(_FEEDBACK.where(PredictionRow.id.in_(ids)))
            return by_id(ids, (Feedback(*row) for row in rows))

    def mark(self, marks: Sequence[Mark]) -> None:
        """Write the marks of a run that made no candidate, because every label was set aside or held out."""
        with self._session() as session:
            write_marks(session, marks, None)

    def contribution(self, session_id: str) -> Contribution | None:
        """The latest version that learned from this session's labels, and from how many; None if no version did."""
        counted = (
            select(PredictionRow.processed_by, func.count())
            .join(ModelRow, ModelRow.version == PredictionRow.processed_by)
            .where(
                PredictionRow.session_id == session_id,
                PredictionRow.set_aside.is_(None),
                ModelRow.status != "rejected",
            )
            .group_by(PredictionRow.processed_by)
            .order_by(PredictionRow.processed_by.desc())
            .limit(1)
        )
        with self._session() as session:
            row = session.execute(counted).one_or_none()
            return None if row is None else Contribution(row[0] or 0, row[1])

    def corrections_learned(self, session_id: str, version: int, *, limit: int) -> list[Drawing]:
        """This session's drawings that the version learned from and that had been misread, newest first."""
        learned = (
            select(PredictionRow)
            .where(
                PredictionRow.session_id == session_id,
                PredictionRow.processed_by == version,
                PredictionRow.set_aside.is_(None),
                not_(IS_RIGHT),
            )
            .order_by(PredictionRow.created_at.desc(), PredictionRow.id.desc())
            .limit(limit)
        )
        with self._session() as session:
            return [as_drawing(row) for row in session.scalars(learned)]


def write_marks(session: Session, marks: Iterable[Mark], version: int | None) -> None:
    """Write what a run did with each label, in the caller's transaction; version: the candidate made of them, if any.

    A row whose label was changed or reviewed since the run read it stays as it is. Drawings that an administrator
    relabelled are reviewed before any run reads them, so a mark may have `reviewed` set.
    """

    def kind(mark: Mark) -> tuple[str, bool]:
        return mark.set_aside or "", mark.reviewed

    for (reason, reviewed), group in groupby(sorted(marks, key=kind), key=kind):
        read = [(mark.id, mark.labelled_at) for mark in group]
        unchanged = [PredictionRow.reviewed.is_(reviewed)]
        if reviewed:  # not revoked since it was read
            unchanged.append(PredictionRow.set_aside.is_(None))
        for first in range(0, len(read), CHUNK):
            chunk = read[first : first + CHUNK]
            # The ids alone let SQLite use the primary key; for the pairs it would scan the whole table every time.
            is_one = PredictionRow.id.in_([drawing_id for drawing_id, _ in chunk])
            as_read = tuple_(PredictionRow.id, PredictionRow.labelled_at).in_(chunk)
            marked = update(PredictionRow).where(is_one, as_read, *unchanged)
            session.execute(
                marked.values(feedback_processed=True, processed_by=version, set_aside=reason or None),
                execution_options={"synchronize_session": False},
            )


_IS_FEEDBACK = PredictionRow.labelled_at.is_not(None)  # not true_label: the label "not a digit" leaves that NULL
_KEYS: Any = select(
    PredictionRow.labelled_at,
    PredictionRow.id,
    PredictionRow.set_aside,
    func.length(PredictionRow.image).label("size"),
)
_FEEDBACK: Any = select(  # in the order of the fields of Feedback
    PredictionRow.id,
    PredictionRow.session_id,
    PredictionRow.network,
    PredictionRow.source,
    PredictionRow.image,
    PredictionRow.true_label,
    PredictionRow.true_number,
    PredictionRow.labelled_at,
    PredictionRow.feedback_processed,
    PredictionRow.processed_by,
    PredictionRow.set_aside,
    PredictionRow.reviewed,
    PredictionRow.predicted_digit,
    PredictionRow.predicted_number,
    PredictionRow.verdict,
)
