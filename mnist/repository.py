"""What the application asks of the database, in its own words."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Table, and_, bindparam, case, delete, func, insert, select, update

from mnist.database import PredictionRow
from mnist.storage import Storage, change
from mnist.storage import StorageUnavailable as StorageUnavailable  # whoever asks the repository meets it

MAX_NUMBER = 12  # digits of a whole number
PORTION = 4 * 2**20  # bytes of pictures that are held or sent at once: a drawing has a few kB, a photo nearly 2 MB
_T = TypeVar("_T")


class UnknownPrediction(LookupError):
    """No drawing has this id."""


class AlreadyProcessed(RuntimeError):
    """A retraining has already processed this label (learned, held out, set aside), or an administrator decided it."""


class BadLabel(ValueError):
    """A label that is neither a digit 0–9, nor a number of digits, nor None."""


def utc_now() -> datetime:
    """The present moment, with its zone."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing as it is kept: its picture, what the network said, what a person said."""

    image: bytes  # PNG, as it was drawn
    source: str  # "canvas", "upload", "camera" or "api"
    predicted_digit: int | None  # None: not read as a single digit
    confidence: float  # 0–1
    probabilities: tuple[float, ...]  # ten, indexed by digit, summing to 1
    verdict: str  # "digit", "unsure" or "not_a_digit"
    model_version: int
    session_id: str | None = None
    predicted_number: str | None = None  # "2026" when several digits stand side by side
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    created_at: datetime = field(default_factory=utc_now)
    true_label: int | None = None
    true_number: str | None = None
    labelled_at: datetime | None = None
    feedback_processed: bool = False
    processed_by: int | None = None  # the model version that a retraining made of it

    @property
    def is_labelled(self) -> bool:
        return self.labelled_at is not None

    @property
    def guess(self) -> str | None:
        """What the network read, as text; None when it read no digit."""
        return as_text(self.predicted_digit, self.predicted_number)

    @property
    def truth(self) -> str | None:
        """What a person said it is, as text; None when unlabelled, or labelled as no digit."""
        return as_text(self.true_label, self.true_number)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often one version of the network read what people then said."""

    model_version: int
    labelled: int
    right: int  # of those


def parse_label(label: int | str | None) -> tuple[int | None, str | None]:
    """Split a label into (true_label, true_number). Raises BadLabel.

    label: 0–9, a string of 1 to 12 digits, or None for "not a digit".
    """
    if label is None:
        return None, None
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label <= 9:
        return label, None
    if isinstance(label, str) and label.isascii() and label.isdecimal() and len(label) <= MAX_NUMBER:
        return (int(label), None) if len(label) == 1 else (None, label)
    shown = repr(label[:40] if isinstance(label, str) else label)
    raise BadLabel(f"The label is {shown[:60]}; it must be a digit from 0 to 9, or null for “not a digit”.")


def as_text(digit: int | None, number: str | None) -> str | None:
    """A digit or a whole number, as text; None for neither."""
    if number is not None:
        return number
    return None if digit is None else str(digit)


class Repository(Storage):
    """Drawings and their labels in any database that SQLAlchemy speaks to.

    Every method raises StorageUnavailable when the database can't do its part.
    """

    def save(self, drawing: Drawing) -> None:
        """Store a drawing, or what it has become since: one row a drawing, however many strokes.

        A label that is already there stays; use `correct` to change it.
        """
        with self._connection() as connection:
            if connection.execute(_GROW, {"drawing": drawing.id, **_values(drawing, _GROWING)}).rowcount == 0:
                connection.execute(_NEW, as_values(drawing))

    def add_all(self, drawings: Sequence[Drawing]) -> None:
        """Store new drawings in one transaction: all of them, or none."""
        if drawings:
            with self._connection() as connection:
                insert_all(connection, drawings)

    def correct(self, drawing_id: uuid.UUID, label: int | str | None, *, source: str | None = None) -> bool:
        """Say what a stored drawing is: 0–9, a string of digits for a whole number, None for "not a digit".

        A later label replaces an earlier one until a retraining has processed it, or an administrator has decided.
        source: only a drawing that came so. Returns whether the network had read it so. Raises BadLabel,
        UnknownPrediction or AlreadyProcessed.
        """
        true_label, true_number = parse_label(label)
        meant = [PredictionRow.id == drawing_id] + ([] if source is None else [PredictionRow.source == source])
        labelled = (
            update(PredictionRow)
            .where(*meant, PredictionRow.feedback_processed.is_(False), PredictionRow.reviewed.is_(False))
            .values(true_label=true_label, true_number=true_number, labelled_at=utc_now())
        )
        guess = select(PredictionRow.predicted_digit, PredictionRow.predicted_number)
        with self._session() as session:
            is_labelled = change(session, labelled) == 1
            guessed = session.execute(guess.where(*meant)).one_or_none()
        if guessed is None:
            raise UnknownPrediction(f"There is no drawing {drawing_id}.")
        if not is_labelled:
            raise AlreadyProcessed(
                "A retraining has already processed this label, or an administrator decided it; "
                "it can't be changed any more."
            )
        return tuple(guessed) == (true_label, true_number)

    def find(self, drawing_id: uuid.UUID) -> Drawing:
        """Raises UnknownPrediction."""
        with self._session() as session:
            row = session.get(PredictionRow, drawing_id)
            if row is None:
                raise UnknownPrediction(f"There is no drawing {drawing_id}.")
            return as_drawing(row)

    def recent(self, *, limit: int, session_id: str | None = None) -> list[Drawing]:
        """The latest drawings, newest first; of one session when it is named."""
        wanted = select(PredictionRow).order_by(PredictionRow.created_at.desc(), PredictionRow.id.desc()).limit(limit)
        if session_id is not None:
            wanted = wanted.where(PredictionRow.session_id == session_id)
        with self._session() as session:
            return [as_drawing(row) for row in session.scalars(wanted)]

    def delete(self, session_id: str, drawing_id: uuid.UUID | None = None) -> int:
        """Remove a session's drawings, or one of them, for good. Returns how many there were."""
        mine = delete(PredictionRow).where(PredictionRow.session_id == session_id)
        if drawing_id is not None:
            mine = mine.where(PredictionRow.id == drawing_id)
        with self._session() as session:
            return change(session, mine)

    def accuracy(self, *, latest: int) -> list[Accuracy]:
        """How the network did on the latest labelled drawings: one row a model version that read any of them."""
        window = (
            select(
                PredictionRow.model_version,
                IS_RIGHT.label("is_right"),
            )
            .where(PredictionRow.labelled_at.is_not(None))
            .order_by(PredictionRow.labelled_at.desc())
            .limit(latest)
            .subquery()
        )
        right = func.count(case((window.c.is_right, 1)))
        counted = select(window.c.model_version, func.count(), right).group_by(window.c.model_version)
        with self._session() as session:
            return [Accuracy(*row) for row in session.execute(counted)]

    def check(self) -> None:
        """Make sure that the database answers and has its tables."""
        with self._session() as session:
            session.execute(select(PredictionRow.id).limit(1))


# Of a labelled row: "not a digit" is right where no digit was read.
IS_RIGHT = and_(
    PredictionRow.predicted_digit.is_not_distinct_from(PredictionRow.true_label),
    PredictionRow.predicted_number.is_not_distinct_from(PredictionRow.true_number),
)
_COLUMNS = tuple(Drawing.__dataclass_fields__)
_GROWING = (  # what another stroke changes
    "image",
    "predicted_digit",
    "confidence",
    "probabilities",
    "verdict",
    "model_version",
    "predicted_number",
)
_TABLE = cast(Table, PredictionRow.__table__)
_NEW = insert(_TABLE)
_GROW = update(_TABLE).where(_TABLE.c.id == bindparam("drawing"))


def insert_all(connection: Connection, drawings: Iterable[Drawing]) -> None:
    """Add rows, in as many statements as their pictures need: PostgreSQL's client holds eight times what it sends."""
    for portion in in_portions(drawings, lambda drawing: len(drawing.image)):
        connection.execute(_NEW, [as_values(drawing) for drawing in portion])


def in_portions(things: Iterable[_T], size: Callable[[_T], int], *, most: int = 500) -> Iterator[list[_T]]:
    """Cut a stream wherever its pictures have come to PORTION bytes, or to `most` of them; none is empty.

    size: bytes of one's picture.
    """
    portion: list[_T] = []
    held = 0
    for thing in things:
        portion.append(thing)
        held += size(thing)
        if held >= PORTION or len(portion) == most:
            yield portion
            portion, held = [], 0
    if portion:
        yield portion


def as_values(drawing: Drawing) -> dict[str, Any]:
    return _values(drawing, _COLUMNS)


def _values(drawing: Drawing, columns: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(drawing, name) for name in columns}


def as_drawing(row: PredictionRow) -> Drawing:
    convert: dict[str, Callable[[Any], Any]] = {"probabilities": tuple, "image": bytes}
    return Drawing(**{name: convert.get(name, lambda value: value)(getattr(row, name)) for name in _COLUMNS})
