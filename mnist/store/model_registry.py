"""Model versions: which one is active, and how versions are added, promoted, rejected and rolled back."""

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

# Key in the metrics: the active version that a candidate was compared with, and replaced if it was promoted.
COMPARED_WITH = "compared_with"


class NoSuchVersion(LookupError):
    """The version does not exist or was never active, or there is none to roll back to."""


class ActiveVersionChanged(RuntimeError):
    """Another version became active after the candidate was compared with the active one; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the network, without its weights."""

    version: int
    parent: int | None  # the version that it was fine-tuned from; None: shipped with a release
    created_at: datetime
    status: str  # "active", "retired" or "rejected"
    metrics: Mapping[str, Any] = field(repr=False)


class Registry(Storage):
    """The `models` table; versions and the marks on their labels change together, in one transaction.

    Every method raises StorageUnavailable when the database can't be used; nothing is changed then.
    """

    def seed(self, weights: bytes, metrics: Mapping[str, Any]) -> int:
        """Add shipped weights to the table unless they are in it, and return their version. Safe to call concurrently.

        They become active when the table is empty or the active version was itself shipped, because a release brings a
        better network. A version that learned from people stays active: the next retraining starts from the new
        weights and must beat it, so that a release never discards what people taught.
        """
        digest = sha256(weights)
        with self._session() as session:
            if (known := _find_shipped(session, digest)) is not None:
                return known
        with self._session() as session:
            _take_turns(session)
            if (known := _find_shipped(session, digest)) is not None:  # another process was faster
                return known
            return _add_shipped(session, weights, {**metrics, "sha256": digest})

    def knows(self, weights: bytes) -> bool:
        """Whether these shipped weights are in the table."""
        with self._session() as session:
            return _find_shipped(session, sha256(weights)) is not None

    def active(self) -> Version | None:
        """The version to serve; None before the first `seed`."""
        with self._session() as session:
            return _version_or_none(session.execute(_VERSIONS.where(ModelRow.status == "active")).one_or_none())

    def active_number(self) -> int | None:
        """Number of the active version, None before the first `seed`; cheap enough to poll."""
        with self._session() as session:
            return session.scalar(select(ModelRow.version).where(ModelRow.status == "active"))

    def base(self) -> Version | None:
        """The version that a retraining starts from: the newest shipped one; None before the first `seed`."""
        newest = _VERSIONS.where(ModelRow.parent.is_(None)).order_by(ModelRow.version.desc()).limit(1)
        with self._session() as session:
            return _version_or_none(session.execute(newest).one_or_none())

    def versions(self) -> list[Version]:
        """All versions, newest first."""
        with self._session() as session:
            return [Version(*row) for row in session.execute(_VERSIONS.order_by(ModelRow.version.desc()))]

    def weights(self, version: int) -> bytes:
        """The content of a version's weights file. Raises NoSuchVersion."""
        with self._session() as session:
            if (weights := session.scalar(select(ModelRow.weights).where(ModelRow.version == version))) is None:
                raise NoSuchVersion(f"There is no version {version}.")
            return bytes(weights)

    def promote(
        self, weights: bytes, metrics: Mapping[str, Any], *, parent: int, replaces: int, marks: Sequence[Mark]
    ) -> int:
        """Add a candidate as the active version and mark its labels, in one transaction; returns its version.

        parent: the version it was fine-tuned from. replaces: the active version it was compared with.
        Raises ActiveVersionChanged when `replaces` is no longer active.
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
        """Add a candidate that failed the gate and mark its labels, in one transaction; returns its version.

        Its labels are not lost: the next retraining learns from all accepted labels again.
        """
        with self._session() as session:
            _take_turns(session)
            version = _insert(session, weights, metrics, parent=parent, status="rejected")
            write_marks(session, marks, version)
            return version

    def roll_back(self, to: int | None = None) -> Version:
        """Make an earlier version active again: `to`, or else the one that the active version replaced.

        Labels that only unwanted versions learned are set aside, or the next retraining would learn them again.
        Activating such a version again restores its labels. Returns the version that is now active.
        Raises NoSuchVersion.
        """
        with self._session() as session:
            _take_turns(session)
            if to is None and (to := _version_before_active(session)) is None:
                raise NoSuchVersion("There is no earlier version to go back to.")
            if change(session, _retire()) == 0:
                raise NoSuchVersion("There is no active version yet.")
            chosen = update(ModelRow).where(ModelRow.version == to, ModelRow.status == "retired")
            if change(session, chosen.values(status="active")) == 0:
                raise NoSuchVersion(f"Version {to} was never served; --list shows what there is.")
            rows = update(PredictionRow).where(PredictionRow.reviewed.is_(False))
            # Labels of rejected versions, which never served, stay for the next retraining.
            rejected = select(ModelRow.version).where(ModelRow.status == "rejected")
            lineage = _lineage(session, to)
            unwanted = rows.where(
                PredictionRow.processed_by > min(lineage),
                PredictionRow.processed_by.not_in([*lineage, *session.scalars(rejected)]),
                PredictionRow.set_aside.is_(None),
            )
            session.execute(unwanted.values(set_aside=ROLLED_BACK))
            restored = rows.where(PredictionRow.processed_by.in_(lineage), PredictionRow.set_aside == ROLLED_BACK)
            session.execute(restored.values(set_aside=None))
            return Version(*session.execute(_VERSIONS.where(ModelRow.version == to)).one())


def sha256(weights: bytes) -> str:
    return hashlib.sha256(weights).hexdigest()


_VERSIONS: Select[Any] = select(
    ModelRow.version, ModelRow.parent, ModelRow.created_at, ModelRow.status, ModelRow.metrics
)


def _take_turns(session: Session) -> None:
    """Serialise the transactions that add a version or choose the active one; readers do not wait."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE"))
    elif session.get_bind().dialect.name == "mysql":
        take_mysql_lock(session.connection(), "models")
    else:  # SQLite: an UPDATE, even of no rows, takes the only write lock until the transaction ends
        session.execute(_retire().where(false()))


def _retire() -> Update:
    return update(ModelRow).where(ModelRow.status == "active").values(status="retired")


def _version_before_active(session: Session) -> int | None:
    """The version that the active one replaced according to its metrics; by default the last retired one below it."""
    row = session.execute(select(ModelRow.version, ModelRow.metrics).where(ModelRow.status == "active")).one_or_none()
    if row is None:
        return None
    active, metrics = row
    served = select(func.max(ModelRow.version)).where(ModelRow.status == "retired")
    noted = session.scalar(served.where(ModelRow.version == metrics.get(COMPARED_WITH)))
    return noted or session.scalar(served.where(ModelRow.version < active))


def _lineage(session: Session, version: int) -> set[int]:
    """The version, the one that it replaced, and so on back to a shipped one: whose labels it has learned.

    Earlier versions that were rolled back do not belong to it.
    """
    lineage = {version}
    for each, metrics in session.execute(select(ModelRow.version, ModelRow.metrics).order_by(ModelRow.version.desc())):
        if each in lineage and COMPARED_WITH in metrics:
            lineage.add(metrics[COMPARED_WITH])
    return lineage


def _version_or_none(row: Any) -> Version | None:
    return None if row is None else Version(*row)


def _find_shipped(session: Session, digest: str) -> int | None:
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
