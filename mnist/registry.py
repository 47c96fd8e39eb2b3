"""The versions of the network, and the feedback that a retraining turns into the next one."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice
from typing import Any

from sqlalchemy import Select, Update, and_, case, false, func, insert, select, text, tuple_, update
from sqlalchemy.orm import Session

from mnist.database import ModelRow, PredictionRow, take_mysql_lock
from mnist.repository import UnknownPrediction, in_portions, utc_now
from mnist.storage import Storage, change

CHUNK = 500  # rows that one statement names
HELD_OUT = "held_out"  # set aside for the exam: this person's drawings are never trained on
ROLLED_BACK = "rolled_back"  # set aside with the version that learned it
COMPARED_WITH = "compared_with"  # in the metrics: the version that served; a promoted one took its place
REVOKED = "revoked"  # set aside by a person


class NoSuchVersion(LookupError):
    """There is no version to go back to, or none of this number that was ever served."""


class ActiveVersionChanged(RuntimeError):
    """Another version became active during the run, which was made to replace the one before; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the network, without its weights."""

    version: int
    parent: int | None  # the version whose weights were tuned; None: shipped with a release
    created_at: datetime
    status: str  # "active", "retired" or "rejected"
    metrics: Mapping[str, Any] = field(repr=False)


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


class Registry(Storage):
    """The `models` table and, with it in one transaction, the marks on the feedback.

    Every method raises StorageUnavailable when the database can't do its part; nothing is changed then.
    """

    # --- versions

    def seed(self, weights: bytes, metrics: Mapping[str, Any]) -> int:
        """Make sure that shipped weights are in the table; returns their version. Many processes may do it at once.

        In an empty table they become active. So they do where the active version has learned from nobody: a release
        brings a better network. Otherwise they wait as the base of the next retraining, which compares what it makes of
        them with the active version: a release never takes away what people have taught.
        """
        digest = sha256(weights)
        with self._session() as session:
            if (known := _shipped(session, digest)) is not None:
                return known
        with self._session() as session:
            _take_turns(session)
            if (known := _shipped(session, digest)) is not None:  # another process was faster
                return known
            return _add_shipped(session, weights, {**metrics, "sha256": digest})

    def knows(self, weights: bytes) -> bool:
        """Whether shipped weights are in the table."""
        with self._session() as session:
            return _shipped(session, sha256(weights)) is not None

    def active(self) -> Version | None:
        """The version to serve; None before the first `seed`."""
        with self._session() as session:
            return _version_or_none(session.execute(_VERSIONS.where(ModelRow.status == "active")).one_or_none())

    def active_number(self) -> int | None:
        """`active().version` for who asks every few seconds."""
        with self._session() as session:
            return session.scalar(select(ModelRow.version).where(ModelRow.status == "active"))

    def base(self) -> Version | None:
        """The version that retraining starts from: the newest one that came with a release."""
        newest = _VERSIONS.where(ModelRow.parent.is_(None)).order_by(ModelRow.version.desc()).limit(1)
        with self._session() as session:
            return _version_or_none(session.execute(newest).one_or_none())

    def versions(self) -> list[Version]:
        """All of them, newest first."""
        with self._session() as session:
            return [Version(*row) for row in session.execute(_VERSIONS.order_by(ModelRow.version.desc()))]

    def weights(self, version: int) -> bytes:
        """Raises NoSuchVersion."""
        with self._session() as session:
            if (weights := session.scalar(select(ModelRow.weights).where(ModelRow.version == version))) is None:
                raise NoSuchVersion(f"There is no version {version}.")
            return bytes(weights)

    def promote(
        self, weights: bytes, metrics: Mapping[str, Any], *, parent: int, replaces: int, marks: Sequence[Mark]
    ) -> int:
        """Make a candidate the active version and mark the feedback that it was made of; all of it, or nothing.

        replaces: the version that it was compared with. Raises ActiveVersionChanged when another one is active by now.
        Returns the new version.
        """
        with self._session() as session:
            _take_turns(session)
            if change(session, _retire().where(ModelRow.version == replaces)) == 0:
                raise ActiveVersionChanged(f"Version {replaces} is no longer the active one; nothing was changed.")
            metrics = {**metrics, COMPARED_WITH: replaces}
            version = _insert(session, weights, metrics, parent=parent, status="active")
            _mark(session, marks, version)
            return version

    def reject(self, weights: bytes, metrics: Mapping[str, Any], *, parent: int, marks: Sequence[Mark]) -> int:
        """Keep a candidate that the gate turned down, and mark its feedback, in one transaction. Returns its version.

        Nothing is lost with it: the next retraining learns from all accepted feedback again.
        """
        with self._session() as session:
            _take_turns(session)
            version = _insert(session, weights, metrics, parent=parent, status="rejected")
            _mark(session, marks, version)
            return version

    def mark(self, marks: Sequence[Mark]) -> None:
        """Mark feedback that no candidate was made of: every row was set aside or held out."""
        with self._session() as session:
            _mark(session, marks, None)

    def roll_back(self, to: int | None = None) -> Version:
        """Serve an earlier version again: `to`, or the one that the active version replaced.

        What only other versions learned is set aside: it made the version that was not wanted, and the next run would
        learn it again. Serving such a version again takes that back.
        Raises NoSuchVersion.
        """
        with self._session() as session:
            _take_turns(session)
            if to is None and (to := _replaced(session)) is None:
                raise NoSuchVersion("There is no earlier version to go back to.")
            if change(session, _retire()) == 0:
                raise NoSuchVersion("There is no active version yet.")
            chosen = update(ModelRow).where(ModelRow.version == to, ModelRow.status == "retired")
            if change(session, chosen.values(status="active")) == 0:
                raise NoSuchVersion(f"Version {to} was never served; --list shows what there is.")
            rows = update(PredictionRow).where(PredictionRow.reviewed.is_(False))
            rejected = select(ModelRow.version).where(ModelRow.status == "rejected")  # whose labels wait all the same
            lineage = _lineage(session, to)
            unwanted = rows.where(
                PredictionRow.processed_by > min(lineage),
                PredictionRow.processed_by.not_in([*lineage, *session.scalars(rejected)]),
                PredictionRow.set_aside.is_(None),
            )
            session.execute(unwanted.values(set_aside=ROLLED_BACK))
            again = rows.where(PredictionRow.processed_by.in_(lineage), PredictionRow.set_aside == ROLLED_BACK)
            session.execute(again.values(set_aside=None))
            return Version(*session.execute(_VERSIONS.where(ModelRow.version == to)).one())

    # --- feedback

    def waiting(self, at_most: int | None = None) -> int:
        """Labels that no run has looked at yet; a page that only tells how many counts up to a number."""
        waiting = and_(_IS_FEEDBACK, PredictionRow.feedback_processed.is_(False))
        counted = select(PredictionRow.labelled_at).where(waiting).limit(at_most).subquery()
        with self._session() as session:
            return session.scalar(select(func.count()).select_from(counted)) or 0

    def feedback(self, limit: int) -> Iterator[Feedback]:
        """All labels: the waiting ones, oldest first, then the others, newest first, those that were set aside last.

        At most `limit` rows, a portion of their pictures in memory at a time, each in a transaction of its own. If
        there are more, those that wait take no more than half of the room from those that were believed. A label that
        is given meanwhile may come or not; it is not waited for.
        """
        for portion in in_portions(self._in_order(limit), lambda place: place.size, most=CHUNK):
            yield from self._some([place.id for place in portion])

    def _in_order(self, limit: int) -> list[Any]:
        """The places of `feedback`: whoever sends many labels must not keep a run from what it has learned before."""
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
            found = {row.id: Feedback(*row) for row in session.execute(_FEEDBACK.where(PredictionRow.id.in_(ids)))}
        return [found[each] for each in ids if each in found]

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


def sha256(weights: bytes) -> str:
    return hashlib.sha256(weights).hexdigest()


_IS_FEEDBACK = PredictionRow.labelled_at.is_not(None)  # a person may also say "not a digit": no label, but its time
_VERSIONS: Select[Any] = select(
    ModelRow.version, ModelRow.parent, ModelRow.created_at, ModelRow.status, ModelRow.metrics
)
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


def _take_turns(session: Session) -> None:
    """Let one transaction at a time add a version or choose the active one; everybody may read meanwhile."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE"))
    elif session.get_bind().dialect.name == "mysql":
        take_mysql_lock(session.connection(), "models")
    else:  # SQLite: a transaction that begins by writing has the database's only write lock until its end
        session.execute(_retire().where(false()))


def _retire() -> Update:
    return update(ModelRow).where(ModelRow.status == "active").values(status="retired")


def _replaced(session: Session) -> int | None:
    """The version that the active one replaced, as its promotion noted; of one that noted none, the one before."""
    row = session.execute(select(ModelRow.version, ModelRow.metrics).where(ModelRow.status == "active")).one_or_none()
    if row is None:
        return None
    active, metrics = row
    served = select(func.max(ModelRow.version)).where(ModelRow.status == "retired")
    noted = session.scalar(served.where(ModelRow.version == metrics.get(COMPARED_WITH)))
    return noted or session.scalar(served.where(ModelRow.version < active))


def _lineage(session: Session, version: int) -> set[int]:
    """A version, the one that it replaced, and so on: what they learned, it learned too, and nothing else.

    Not all that came before: in between one may have been taken back. A version that came with a release ends it.
    """
    lineage = {version}
    for each, metrics in session.execute(select(ModelRow.version, ModelRow.metrics).order_by(ModelRow.version.desc())):
        if each in lineage and COMPARED_WITH in metrics:
            lineage.add(metrics[COMPARED_WITH])
    return lineage


def _version_or_none(row: Any) -> Version | None:
    return None if row is None else Version(*row)


def _shipped(session: Session, digest: str) -> int | None:
    rows = session.execute(select(ModelRow.version, ModelRow.metrics).where(ModelRow.parent.is_(None)))
    return next((version for version, metrics in rows if metrics.get("sha256") == digest), None)


def _add_shipped(session: Session, weights: bytes, metrics: Mapping[str, Any]) -> int:
    untaught = update(ModelRow).where(ModelRow.status == "active", ModelRow.parent.is_(None)).values(status="retired")
    replaced = change(session, untaught) == 1
    is_first = session.scalar(select(func.count()).select_from(ModelRow)) == 0
    status = "active" if replaced or is_first else "retired"
    return _insert(session, weights, metrics, parent=None, status=status)


def _insert(session: Session, weights: bytes, metrics: Mapping[str, Any], *, parent: int | None, status: str) -> int:
    version = (session.scalar(select(func.max(ModelRow.version))) or 0) + 1
    row = {
        "version": version,
        "parent": parent,
        "created_at": utc_now(),
        "status": status,
        "weights": weights,
        "metrics": dict(metrics),
    }
    session.execute(insert(ModelRow).values(row))
    return version


def _mark(session: Session, marks: Iterable[Mark], version: int | None) -> None:
    """Rows whose label changed, or that a person reviewed, after they were read stay as they are.

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
