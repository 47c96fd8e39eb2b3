"""Creates the tables or upgrades those of an earlier release; refuses another program's."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)

from mnist.store.locks import lock_schema
from mnist.store.tables import Base, PredictionRow
from mnist.store.timeouts import patiently

# One for each file in mnist/store/migrations/versions; mnist/store/tables.py describes the last.
REVISIONS = ("0001", "0002", "0003", "0004", "0005")


class UnusableSchema(RuntimeError):
    """The database holds tables of another program or of a later release; nothing was changed."""


# Exactly the table that Alembic would create, so that a new database needs no Alembic.
_REVISION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
_TABLES = frozenset({*Base.metadata.tables, _REVISION.name})


def create_tables(engine: Engine) -> None:
    """Create the schema (and SQLite's folder), or upgrade an older one; does nothing if it is up to date.

    Raises SQLAlchemyError when the database can't be reached, OSError when SQLite's folder can't be created, and
    UnusableSchema when the tables belong to another program or to a later release.
    """
    if engine.dialect.name == "sqlite" and engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
    with engine.connect() as connection:  # the usual case only reads, and takes no lock
        if _current_state(connection) == (_TABLES, REVISIONS[-1]):
            return
    with patiently(), engine.begin() as connection:
        lock_schema(connection)
        bring_up(connection)


def _current_state(connection: Connection) -> tuple[frozenset[str], str | None]:
    """Which of our tables exist, and their revision; None: no revision is recorded."""
    tables = _TABLES.intersection(inspect(connection).get_table_names())
    revision = connection.scalar(select(_REVISION.c.version_num)) if _REVISION.name in tables else None
    return tables, revision


def bring_up(connection: Connection) -> None:
    """Create or upgrade the tables, in a transaction that holds `lock_schema`. Raises UnusableSchema."""
    tables, revision = _current_state(connection)
    if revision is not None and revision not in REVISIONS:
        raise UnusableSchema(
            f"The database was made or upgraded by a later release (its revision is {revision}, this program knows "
            f"{REVISIONS[-1]}). Install that release, or restore a backup from before its upgrade."
        )
    if PredictionRow.__tablename__ in tables and revision != REVISIONS[-1]:
        if revision is None:
            _require_first_release(connection)
        from mnist.store.migrations import upgrade  # here: loads Alembic, which only an upgrade needs

        upgrade(connection, revision)
    # The revision comes first: MySQL commits every CREATE TABLE, and tables without a revision are taken for the first
    # release's.
    _REVISION.metadata.create_all(connection)
    if _current_state(connection)[1] is None:
        connection.execute(insert(_REVISION).values(version_num=REVISIONS[-1]))
    Base.metadata.create_all(connection)  # only the tables that are missing


def is_common(connection: Connection) -> bool:
    """Whether the table “predictions” is the one that the common digit applications create; see mnist/upgrade.py."""
    return {"predicted_digit", "true_label"} <= _columns(connection) and not _has_our_columns(connection)


def _has_our_columns(connection: Connection) -> bool:
    return {"probabilities", "set_aside", "reviewed"} <= _columns(connection)


def _columns(connection: Connection) -> set[str]:
    inspector = inspect(connection)
    table = PredictionRow.__tablename__
    return {column["name"] for column in inspector.get_columns(table)} if inspector.has_table(table) else set()


def _require_first_release(connection: Connection) -> None:
    """Raise UnusableSchema unless tables without a revision are the first release's."""
    if is_common(connection):
        raise UnusableSchema(
            "The database has the table “predictions” of another digit application. Make a backup, then run "
            "`python -m mnist.upgrade`: it takes over the drawings and labels, and keeps the old table."
        )
    if not _has_our_columns(connection):
        raise UnusableSchema("The database has a table “predictions” that this program did not make.")
