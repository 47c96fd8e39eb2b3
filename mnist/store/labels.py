"""What people said of drawings, as a retraining reads it, and what it made of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice
from typing import Any

from sqlalchemy import and_, case, func, select, tuple_, update
from sqlalchemy.orm import Session

from mnist.drawing import UnknownPrediction
from mnist.store.drawings import in_portions
from mnist.store.session import Storage, by_id, change
from mnist.store.tables import ModelRow, PredictionRow

CHUNK = 500  # rows that one statement names
HELD_OUT = "held_out"  # set aside for the exam: this person's drawings are never trained on
ROLLED_BACK = "rolled_back"  # set aside with the version that learned it
REVOKED = "revoked"  # set aside by a person


@dataclass(frozen=True, slots=True)
class Feedback:
    """One labelled drawing, as a retraining sees it."""

    id: uuid.UUID
    session_id: str | None
    source: str
    image: bytes = field(repr=False)  # PNG, as it was drawn
    true_label: int | None  # None: a whole number, or "not a digit"
    true_number: str | None
    labelled_at: datetime
    is_processed: bool
    processed_by: int | None
    set_aside: str | None
    reviewed: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """What a run made of one label; it applies only if the label is still the one that the run read.

    Whoever changes a label gives it a new time, and whoever reviews it leaves `reviewed` set: that is how it is known.
    """

    id: uuid.UUID
    labelled_at: datetime
    set_aside: str | None = None  # None: learned from
    reviewed: bool = False  # as it was read


@dataclass(frozen=True, slots=True)
class Contribution:
    """What came of somebody's corrections: how many of them a version learned."""

    version: int
    labels: int


class Labels(Storage):
    """Every method raises StorageUnavailable when the database can't do its part; nothing is changed then."""

    def waiting(self, at_most: int | None = None) -> int:
        """Labels that no run has looked at yet; a page that only tells how many counts up to a number."""
        waiting = and_(_IS_FEEDBACK, PredictionRow.feedback_processed.is_(False))
        counted = select(PredictionRow.labelled_at).where(waiting).limit(at_most).subquery()
        with self._session() as session:
            return session.scalar(select(func.count()).select_from(counted)) or 0

    def read(self, limit: int) -> Iterator[Feedback]:
        """All labels: the waiting ones, oldest first, then the others, newest first, those that were set aside last.

        At most `limit` rows, a portion of their pictures in memory at a time, each in a transaction of its own. If
        there are more, those that wait take no more than half of the room from those that were believed. A label that
        is given meanwhile may come or not; it is not waited for.
        """
        for portion in in_portions(self._in_order(limit), lambda place: place.size, most=CHUNK):
            yield from self._some([place.id for place in portion])

    def _in_order(self, limit: int) -> list[Any]:
        """The places of `read`: whoever sends many labels must not keep a run from what it has learned before."""
        waiting = list(islice(self._places(processed=False), limit))
        believed: list[Any] = []
        others: list[Any] = []
        for place in self._places(processed=True):
            kind = believed if place.set_aside in (None, HELD_OUT) else others
            if len(kind) < limit:
                kind.append(place)
            if len(believed) == limit:
                break
        half = limit // 2
        order = [*waiting[:half], *believed, *waiting[half:], *others]
        once = {place.id: place for place in order}  # a label that is changed meanwhile moves on
        return list(islice(once.values(), limit))

    def _places(self, *, processed: bool) -> Iterator[Any]:
        """Which labels there are, and how large their pictures."""
        wanted = _PLACES.where(_IS_FEEDBACK, PredictionRow.feedback_processed.is_(processed))
        return self._in_turn(wanted, PredictionRow.labelled_at, PredictionRow.id, backwards=processed)

    def _some(self, ids: Sequence[uuid.UUID]) -> list[Feedback]:
        """In this order, as far as they still exist."""
        with self._session() as session:
            rows = session.execute(_FEEDBACK.where(PredictionRow.id.in_(ids)))
            return by_id(ids, (Feedback(*row) for row in rows))

    def mark(self, marks: Sequence[Mark]) -> None:
        """Mark what no candidate was made of: every label was set aside or held out."""
        with self._session() as session:
            write_marks(session, marks, None)

    def contribution(self, session_id: str) -> Contribution | None:
        """The latest version that learned from somebody's corrections, and from how many; None so far."""
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

    def review(self, drawing_id: uuid.UUID, *, accept: bool) -> None:
        """A person decides about a label that was learned or set aside; from the next run on, their word holds.

        What was set aside and is accepted counts as learned by nobody yet, so that the next version gets the credit.
        Raises UnknownPrediction when there is no such drawing, or no run has looked at it yet.
        """
        decided = update(PredictionRow).where(
            PredictionRow.id == drawing_id, PredictionRow.feedback_processed.is_(True)
        )
        learned_by = case((PredictionRow.set_aside.is_(None), PredictionRow.processed_by))
        verdict = {"set_aside": None, "processed_by": learned_by} if accept else {"set_aside": REVOKED}
        with self._session() as session:
            if change(session, decided.values(reviewed=True, **verdict)) == 0:
                raise UnknownPrediction(f"There is no drawing {drawing_id} that a retraining has looked at.")


def write_marks(session: Session, marks: Iterable[Mark], version: int | None) -> None:
    """Note what a run made of labels, and in which version, if in any, within the caller's transaction.

    Rows whose label changed, or that a person reviewed, after they were read stay as they are.
    What an administrator labelled anew is reviewed, but no run has looked at it yet, so that it is marked, too.
    """

    def kind(mark: Mark) -> tuple[str, bool]:
        return mark.set_aside or "", mark.reviewed

    for (why, reviewed), group in groupby(sorted(marks, key=kind), key=kind):
        read = [(mark.id, mark.labelled_at) for mark in group]
        still = [PredictionRow.reviewed.is_(reviewed)]
        if reviewed:  # nobody has taken it back meanwhile
            still.append(PredictionRow.set_aside.is_(None))
        for first in range(0, len(read), CHUNK):
            chunk = read[first : first + CHUNK]
            # Ids alone first: SQLite looks only these up; for the pairs it would read the whole table every time.
            is_one = PredictionRow.id.in_([drawing_id for drawing_id, _ in chunk])
            as_read = tuple_(PredictionRow.id, PredictionRow.labelled_at).in_(chunk)
            marked = update(PredictionRow).where(is_one, as_read, *still)
            session.execute(
                marked.values(feedback_processed=True, processed_by=version, set_aside=why or None),
                execution_options={"synchronize_session": False},
            )


_IS_FEEDBACK = PredictionRow.labelled_at.is_not(None)  # a person may also say "not a digit": no label, but its time
_PLACES: Any = select(
    PredictionRow.labelled_at,
    PredictionRow.id,
    PredictionRow.set_aside,
    func.length(PredictionRow.image).label("size"),
)
_FEEDBACK: Any = select(  # typed by Feedback itself
    PredictionRow.id,
    PredictionRow.session_id,
    PredictionRow.source,
    PredictionRow.image,
    PredictionRow.true_label,
    PredictionRow.true_number,
    PredictionRow.labelled_at,
    PredictionRow.feedback_processed,
    PredictionRow.processed_by,
    PredictionRow.set_aside,
    PredictionRow.reviewed,
)
