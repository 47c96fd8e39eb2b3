"""Makes the tables, or brings those of an earlier release up to date; refuses what is not ours."""

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

REVISIONS = ("0001", "0002")  # the files of mnist/store/migrations/versions; this file describes the last one


class UnusableSchema(RuntimeError):
    """The database holds tables of another program, or of a later release; nothing was changed."""


# Alembic's own table, as it would make it, so that a new database needs no Alembic.
_REVISION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
_TABLES = frozenset({*Base.metadata.tables, _REVISION.name})


def create_tables(engine: Engine) -> None:
    """Make the schema (and SQLite's folder), or bring an older release's up to date; harmless where all is there.

    Raises SQLAlchemyError when the database can't be reached, OSError when SQLite's folder can't be made, and
    UnusableSchema where the tables are not this program's, or a later one's.
    """
    if engine.dialect.name == "sqlite" and engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
    with engine.connect() as connection:  # the usual case: it only reads, and waits for nobody
        if _stands(connection) == (_TABLES, REVISIONS[-1]):
            return
    with patiently(), engine.begin() as connection:
        lock_schema(connection)
        bring_up(connection)


def _stands(connection: Connection) -> tuple[frozenset[str], str | None]:
    """Which of our tables are there, and at which revision."""
    tables = _TABLES.intersection(inspect(connection).get_table_names())
    revision = connection.scalar(select(_REVISION.c.version_num)) if _REVISION.name in tables else None
    return tables, revision


def bring_up(connection: Connection) -> None:
    """Make or upgrade the tables, in a transaction that has `lock_schema`. Raises UnusableSchema."""
    tables, revision = _stands(connection)
    if revision is not None and revision not in REVISIONS:
        raise UnusableSchema(
            f"The database was made or upgraded by a later release (its revision is {revision}, this program knows "
            f"{REVISIONS[-1]}). Install that release, or restore a backup from before its upgrade."
        )
    if PredictionRow.__tablename__ in tables and revision != REVISIONS[-1]:
        if revision is None:
            _recognise(connection)
        from mnist.store.migrations import upgrade  # here: a process that has nothing to change need not load Alembic

        upgrade(connection, revision)
    # The revision comes first: MySQL commits each table by itself, and tables without one count as the first release's.
    _REVISION.metadata.create_all(connection)
    if _stands(connection)[1] is None:
        connection.execute(insert(_REVISION).values(version_num=REVISIONS[-1]))
    Base.metadata.create_all(connection)  # all of it in an empty database, else what is missing


def is_common(connection: Connection) -> bool:
    """Whether the drawings lie in the one table that the common digit applications make."""
    return {"predicted_digit", "true_label"} <= _columns(connection) and not _is_ours(connection)


def _is_ours(connection: Connection) -> bool:
    return {"probabilities", "set_aside", "reviewed"} <= _columns(connection)


def _columns(connection: Connection) -> set[str]:
    found = inspect(connection)
    table = PredictionRow.__tablename__
    return {column["name"] for column in found.get_columns(table)} if found.has_table(table) else set()


def _recognise(connection: Connection) -> None:
    """Make sure that tables without a revision are the first release's. Raises UnusableSchema."""
    if is_common(connection):
        raise UnusableSchema(
            "The database has the table “predictions” of another digit application. Make a backup, then run "
            "`python -m mnist.upgrade`: it takes over the drawings and labels, and keeps the old table."
        )
    if not _is_ours(connection):
        raise UnusableSchema("The database has a table “predictions” that this program did not make.")
