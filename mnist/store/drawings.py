"""Storing, labelling, finding and deleting drawings."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, Table, and_, bindparam, case, delete, func, insert, select, update

from mnist.drawing import Accuracy, AlreadyProcessed, Drawing, Record, UnknownPrediction, parse_label, utc_now
from mnist.store.room import Room
from mnist.store.secret import Secret
from mnist.store.session import Storage, change
from mnist.store.tables import PredictionRow

PORTION = 4 * 2**20  # bytes of pictures held or sent at once: a drawing has a few kB, a photo nearly 2 MB
_T = TypeVar("_T")


class Repository(Storage):
    """Drawings and their labels, in SQLite, PostgreSQL, MySQL or MariaDB.

    Every method raises StorageUnavailable when the database can't be used.
    """

    def __init__(self, engine: Engine, room: Room | None = None) -> None:
        """room: how large the database may get; None: as large as it likes."""
        super().__init__(engine)
        self.room = room or Room(engine)
        self._secret = Secret(engine)

    def on_outage(self, count: Callable[[str], None]) -> None:
        super().on_outage(count)
        self._secret.on_outage(count)

    def save(self, drawing: Drawing) -> None:
        """Insert a drawing, or update its row after another stroke; one row per drawing, however many strokes.

        An existing label is kept; use `correct` to change it. Raises DatabaseFull.
        """
        self.room.check()
        drawing = self._without_address(drawing)
        with self._connection("store") as connection:
            if connection.execute(_UPDATE, {"drawing": drawing.id, **_values(drawing, _UPDATED_COLUMNS)}).rowcount == 0:
                connection.execute(_INSERT, as_values(drawing))

    def add_all(self, drawings: Sequence[Drawing]) -> None:
        """Store new drawings in one transaction: all or none. Raises DatabaseFull."""
        if drawings:
            self.room.check()
            drawings = [self._without_address(each) for each in drawings]
            with self._connection("store") as connection:
                insert_all(connection, drawings)

    def _without_address(self, drawing: Drawing) -> Drawing:
        """The drawing with a keyed digest in place of its network."""
        if drawing.network is None:
            return drawing
        return replace(drawing, network=self._secret.digest("network", drawing.network))

    def correct(self, drawing_id: uuid.UUID, label: int | str | None, *, source: str | None = None) -> bool:
        """Set a drawing's label; returns whether the network had predicted the same.

        A new label replaces the previous one until a retraining has processed it or an administrator has reviewed it.
        label: 0–9, a string of digits for a whole number, or None for "not a digit".
        source: when given, only a drawing from this source is found.
        Raises BadLabel, UnknownPrediction or AlreadyProcessed.
        """
        true_label, true_number = parse_label(label)
        target = [PredictionRow.id == drawing_id] + ([] if source is None else [PredictionRow.source == source])
        labelled = (
            update(PredictionRow)
            .where(*target, PredictionRow.feedback_processed.is_(False), PredictionRow.reviewed.is_(False))
            .values(true_label=true_label, true_number=true_number, labelled_at=utc_now())
        )
        guess = select(PredictionRow.predicted_digit, PredictionRow.predicted_number)
        with self._session("correct") as session:
            is_labelled = change(session, labelled) == 1
            guessed = session.execute(guess.where(*target)).one_or_none()
        if guessed is None:
            raise UnknownPrediction(f"There is no drawing {drawing_id}.")
        if not is_labelled:
            raise AlreadyProcessed(
                "A retraining has already processed this label, or an administrator decided it; "
                "it can't be changed any more."
            )
        return tuple(guessed) == (true_label, true_number)

    def find(self, drawing_id: uuid.UUID) -> Drawing:
        """The drawing with this id. Raises UnknownPrediction."""
        with self._session() as session:
            row = session.get(PredictionRow, drawing_id)
            if row is None:
                raise UnknownPrediction(f"There is no drawing {drawing_id}.")
            return as_drawing(row)

    def recent(self, *, limit: int, session_id: str | None = None) -> list[Drawing]:
        """The latest drawings, newest first; only one session's if `session_id` is given."""
        wanted = select(PredictionRow).order_by(PredictionRow.created_at.desc(), PredictionRow.id.desc()).limit(limit)
        if session_id is not None:
            wanted = wanted.where(PredictionRow.session_id == session_id)
        with self._session() as session:
            return [as_drawing(row) for row in session.scalars(wanted)]

    def delete(self, session_id: str, drawing_id: uuid.UUID | None = None) -> int:
        """Permanently delete all drawings of a session, or only one of them; returns how many were deleted."""
        statement = delete(PredictionRow).where(PredictionRow.session_id == session_id)
        if drawing_id is not None:
            statement = statement.where(PredictionRow.id == drawing_id)
        with self._session("delete") as session:
            return change(session, statement)

    def accuracy(self, *, latest: int) -> list[Accuracy]:
        """Accuracy on the `latest` labelled drawings, one entry per model version that read any of them."""
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
        with self._session(operation=None) as session:  # the metrics, its only caller, count the outage themselves
            return [Accuracy(*row) for row in session.execute(counted)]

    def check(self) -> None:
        """Raise StorageUnavailable unless the database answers and has its tables."""
        with self._session() as session:
            session.execute(select(PredictionRow.id).limit(1))


# Meaningful only for labelled rows: the label "not a digit" agrees with a prediction of no digit.
IS_RIGHT = and_(
    PredictionRow.predicted_digit.is_not_distinct_from(PredictionRow.true_label),
    PredictionRow.predicted_number.is_not_distinct_from(PredictionRow.true_number),
)
_COLUMNS = tuple(Drawing.__dataclass_fields__)
_UPDATED_COLUMNS = (  # what another stroke changes
    "image",
    "predicted_digit",
    "confidence",
    "probabilities",
    "verdict",
    "model_version",
    "predicted_number",
)
_TABLE = cast(Table, PredictionRow.__table__)
_INSERT = insert(_TABLE)
_UPDATE = update(_TABLE).where(_TABLE.c.id == bindparam("drawing"))


def insert_all(connection: Connection, drawings: Iterable[Drawing]) -> None:
    """Insert drawings in several statements: PostgreSQL's client needs eight times the memory of what it sends."""
    for portion in in_portions(drawings, lambda drawing: len(drawing.image)):
        connection.execute(_INSERT, [as_values(drawing) for drawing in portion])


def in_portions(items: Iterable[_T], size: Callable[[_T], int], *, most: int = 500) -> Iterator[list[_T]]:
    """Cut a stream into non-empty lists; each ends once it holds PORTION bytes or `most` items.

    size: returns the bytes of an item's picture.
    """
    portion: list[_T] = []
    held = 0
    for item in items:
        portion.append(item)
        held += size(item)
        if held >= PORTION or len(portion) == most:
            yield portion
            portion, held = [], 0
    if portion:
        yield portion


def as_values(drawing: Drawing) -> dict[str, Any]:
    return _values(drawing, _COLUMNS)


def _values(drawing: Drawing, columns: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(drawing, name) for name in columns}


RECORD: Any = select(*(getattr(PredictionRow, name) for name in Record.__dataclass_fields__))  # rows for `as_record`


def as_record(row: Any) -> Record:
    return Record(**{**row._mapping, "probabilities": tuple(row.probabilities)})


def as_drawing(row: PredictionRow) -> Drawing:
    convert: dict[str, Callable[[Any], Any]] = {"probabilities": tuple, "image": bytes}
    return Drawing(**{name: convert.get(name, lambda value: value)(getattr(row, name)) for name in _COLUMNS})
