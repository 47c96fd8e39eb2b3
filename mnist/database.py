"""The tables, and an engine from a URL."""

from __future__ import annotations

import sqlite3
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    URL,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Dialect,
    Engine,
    ExceptionContext,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    TypeDecorator,
    create_engine,
    event,
    false,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DisconnectionError, IntegrityError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from mnist.waiting import CONNECT_SECONDS, limit_waiting, patiently

BUSY_SECONDS = 5  # how long a writer waits for another one's lock
_CREATE_LOCK = 0x6D6E697374  # "mnist"
REVISIONS = ("0001", "0002")  # the files of mnist/migrations/versions; this file describes the last one
# Two sessions that differ in capitals only are two; and emoji are text.
_MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_MYSQL_CHECK_FAILED = (4025, 3819)  # MariaDB's number and MySQL's
_Bytes = LargeBinary(2**32 - 1)  # the length matters to MySQL alone, whose BLOB ends at 64 kB


TO_REVIEW = text("set_aside = 'disputed' AND NOT reviewed")  # whoever asks in these very words finds the index


class UnusableSchema(RuntimeError):
    """The database holds tables of another program, or of a later release; nothing was changed."""


class UtcDateTime(TypeDecorator[datetime]):
    """timestamptz in PostgreSQL; SQLite and MySQL forget the zone, so it is put back on the way out. Always UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "mysql":  # which keeps whole seconds unless told
            from sqlalchemy.dialects.mysql import DATETIME  # here: it loads the dialect

            return DATETIME(fsp=6)
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


class Base(DeclarativeBase):
    """The schema; `init.sql` is the same for PostgreSQL, and a test holds the two equal."""


class PredictionRow(Base):
    """One drawing: what it looked like, what the network said, what a person said."""

    __tablename__ = "predictions"
    __table_args__ = (
        CheckConstraint("predicted_digit BETWEEN 0 AND 9", name="predicted_digit_is_a_digit"),
        CheckConstraint("true_label BETWEEN 0 AND 9", name="true_label_is_a_digit"),
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence_is_a_probability"),
        CheckConstraint("true_label IS NULL OR labelled_at IS NOT NULL", name="a_label_has_its_time"),
        CheckConstraint("set_aside IS NULL OR feedback_processed", name="only_a_run_sets_aside"),
        # Holds all that the history can be filtered by, so that looking far back reads no pictures.
        Index(
            "predictions_by_time",
            "created_at",
            "id",
            "source",
            "model_version",
            "verdict",
            "predicted_digit",
            "predicted_number",
            "true_label",
            "true_number",
            "labelled_at",
        ),
        Index("predictions_by_session", "session_id", "created_at", "id"),
        Index(
            "predictions_to_learn_from",
            "feedback_processed",
            "labelled_at",
            "id",
            sqlite_where=text("labelled_at IS NOT NULL"),
        ),
        # Holds all that is told about the latest labels, so that no pictures are read for it.
        Index(
            "predictions_labelled",
            "labelled_at",
            "id",
            "model_version",
            "predicted_digit",
            "predicted_number",
            "true_label",
            "true_number",
            "confidence",
            sqlite_where=text("labelled_at IS NOT NULL"),
        ),
        Index(
            "predictions_to_review",
            "labelled_at",
            "id",
            sqlite_where=TO_REVIEW,
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    source: Mapped[str] = mapped_column(String(16))
    session_id: Mapped[str | None] = mapped_column(String(64))
    image: Mapped[bytes] = mapped_column(_Bytes)
    predicted_digit: Mapped[int | None] = mapped_column(SmallInteger)
    confidence: Mapped[float]
    probabilities: Mapped[list[float]] = mapped_column(JSON)
    verdict: Mapped[str] = mapped_column(String(16))
    model_version: Mapped[int]
    predicted_number: Mapped[str | None] = mapped_column(String(12))  # several digits side by side: "2026"
    true_label: Mapped[int | None] = mapped_column(SmallInteger)
    true_number: Mapped[str | None] = mapped_column(String(12))  # both NULL with labelled_at set: "not a digit"
    labelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    feedback_processed: Mapped[bool] = mapped_column(default=False, server_default=false())
    processed_by: Mapped[int | None]
    set_aside: Mapped[str | None] = mapped_column(
        String(16)
    )  # why no version learned from it; mnist/retraining/quarantine.py has the reasons
    reviewed: Mapped[bool] = mapped_column(
        default=False, server_default=false()
    )  # a person's decision, which runs keep


class _OneActive(CheckConstraint):
    """What MySQL has instead of a partial index: a unique one leaves NULLs out."""


@compiles(_OneActive)
def _one_active(*_: object, **__: object) -> str:
    return (
        "is_active BOOLEAN AS (CASE WHEN status = 'active' THEN 1 END) INVISIBLE,"
        " CONSTRAINT one_active_model UNIQUE (is_active)"
    )


class ModelRow(Base):
    """One version of the network, its weights included."""

    __tablename__ = "models"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'retired', 'rejected')", name="status_is_known"),
        Index(
            "one_active_model",
            "status",
            unique=True,
            sqlite_where=text("status = 'active'"),
        ).ddl_if(callable_=lambda *_, dialect, **__: dialect.name != "mysql"),
        _OneActive("").ddl_if(dialect="mysql"),
    )

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent: Mapped[int | None] = mapped_column(ForeignKey("models.version"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(String(16))
    weights: Mapped[bytes] = mapped_column(_Bytes)
    metrics: Mapped[dict[str, Any]] = mapped_column(JSON)


# Alembic's own table, as it would make it, so that a new database needs no Alembic.
_REVISION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
_TABLES = frozenset({*Base.metadata.tables, _REVISION.name})


def connect(url: URL) -> Engine:
    """Make an engine; nothing connects until it is used, so the database may be away.

    SQLite: write-ahead logging lets readers go on while one writes. PostgreSQL: a connection that broke meanwhile is
    replaced before use, and one that gives no answer is given up. MySQL: the same pre-ping, and READ
    COMMITTED, because its default (REPEATABLE READ) takes gap locks that let two concurrent inserts deadlock.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "checkout", _check_file)
        return engine
    if url.get_backend_name() == "postgresql":
        limit_waiting()
    is_mysql = url.get_backend_name() == "mysql"
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=10,
        pool_timeout=CONNECT_SECONDS,
        connect_args={"connect_timeout": CONNECT_SECONDS} if is_mysql or url.get_backend_name() == "postgresql" else {},
        **({"isolation_level": "READ COMMITTED"} if is_mysql else {}),
    )
    if is_mysql:
        event.listen(engine, "handle_error", _name_refusals)
    return engine


@event.listens_for(Base.metadata, "before_create")
def _say_in_dialect(_metadata: MetaData, connection: Connection, **_: object) -> None:
    """What an index leaves out is the same in PostgreSQL as in SQLite; and MySQL's tables are of its good kind.

    It is not said in the tables above, for that would load both dialects, 0.04 s, for everybody who has neither.
    """
    for table in Base.metadata.tables.values():
        if connection.dialect.name == "mysql":
            table.kwargs.update(_MYSQL)
        if connection.dialect.name == "postgresql":
            for index in table.indexes:
                index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]


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


def lock_schema(connection: Connection) -> None:
    """Wait until no other process makes or changes tables, and keep them from it until the transaction ends."""
    if connection.dialect.name == "postgresql":  # two processes that start at once would both find a table missing
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATE_LOCK})
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "mysql":
        take_mysql_lock(connection, "tables")


def take_mysql_lock(connection: Connection, name: str, *, wait: int = 60) -> None:
    """Take a named lock of this database; it ends with the connection, which is not put back into the pool.

    wait: s. Raises TimeoutError when another connection has it that long.
    """
    connection.detach()
    lock = text("SELECT GET_LOCK(MD5(CONCAT(:name, ' of ', DATABASE())), :wait)")  # names belong to the whole server
    if connection.scalar(lock, {"name": name, "wait": wait}) != 1:
        raise TimeoutError(f"Another connection has held the lock “{name}” for {wait} s.")


def _name_refusals(context: ExceptionContext) -> None:
    """A failed CHECK is an IntegrityError; PyMySQL takes it for trouble with the server."""
    error = context.original_exception
    if error.args and error.args[0] in _MYSQL_CHECK_FAILED:
        raise IntegrityError(context.statement, context.parameters, error) from error


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
        from mnist.migrations import upgrade  # here: a process that has nothing to change need not load Alembic

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


def _configure_sqlite(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # what a person was told is stored survives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
    if name := connection.execute("PRAGMA database_list").fetchone()[2]:
        record.info["file"] = Path(name), _identity(Path(name))


def _write_ahead(cursor: Any) -> None:
    # Where another process is about to write into a new file, SQLite refuses this at once instead of waiting.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _check_file(_connection: object, record: Any, _proxy: object) -> None:
    # SQLite goes on writing into a file that was deleted or replaced by a backup; nobody would find it again.
    path, identity = record.info.get("file", (None, None))
    if path is not None and _identity(path) != identity:
        raise DisconnectionError("The database file was deleted or replaced.")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
