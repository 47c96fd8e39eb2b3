"""The versions of the network: which one serves, which ones were turned down or taken back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Update, false, func, insert, select, text, update
from sqlalchemy.orm import Session

from mnist.drawing import utc_now
from mnist.store.labels import ROLLED_BACK, Mark, write_marks
from mnist.store.locks import take_mysql_lock
from mnist.store.session import Storage, change
from mnist.store.tables import ModelRow, PredictionRow

COMPARED_WITH = "compared_with"  # in the metrics: the version that served; a promoted one took its place


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


class Registry(Storage):
    """The `models` table and, with it in one transaction, the marks on the feedback.

    Every method raises StorageUnavailable when the database can't do its part; nothing is changed then.
    """

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
            write_marks(session, marks, version)
            return version

    def reject(self, weights: bytes, metrics: Mapping[str, Any], *, parent: int, marks: Sequence[Mark]) -> int:
        """Keep a candidate that the gate turned down, and mark its feedback, in one transaction. Returns its version.

        Nothing is lost with it: the next retraining learns from all accepted feedback again.
        """
        with self._session() as session:
            _take_turns(session)
            version = _insert(session, weights, metrics, parent=parent, status="rejected")
            write_marks(session, marks, version)
            return version

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


def sha256(weights: bytes) -> str:
    return hashlib.sha256(weights).hexdigest()


_VERSIONS: Select[Any] = select(
    ModelRow.version, ModelRow.parent, ModelRow.created_at, ModelRow.status, ModelRow.metrics
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
