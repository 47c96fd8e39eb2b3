"""SQLAlchemy engines, configured for SQLite, PostgreSQL, and MySQL or MariaDB."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Engine,
    ExceptionContext,
    create_engine,
    event,
)
from sqlalchemy.exc import DisconnectionError, IntegrityError

from mnist.store.locks import BUSY_SECONDS
from mnist.store.timeouts import CONNECT_SECONDS, limit_waiting

_MYSQL_CHECK_FAILED = (4025, 3819)  # error numbers of MariaDB and of MySQL


def connect(url: URL) -> Engine:
    """Make an engine. It connects only at its first use, so the database need not be up yet.

    SQLite: write-ahead logging lets readers go on while one process writes. PostgreSQL: a pre-ping replaces broken
    connections before use, and statements time out (mnist/store/timeouts.py). MySQL: the same pre-ping, and READ
    COMMITTED, because the gap locks of its default, REPEATABLE READ, let two concurrent inserts deadlock.
    """
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "checkout", _check_file_is_the_same)
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
        event.listen(engine, "handle_error", _translate_check_failures)
    return engine


def _translate_check_failures(context: ExceptionContext) -> None:
    """Raise IntegrityError for a failed CHECK, which PyMySQL reports as an operational error."""
    error = context.original_exception
    if error.args and error.args[0] in _MYSQL_CHECK_FAILED:
        raise IntegrityError(context.statement, context.parameters, error) from error


def _configure_sqlite(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # a drawing that was reported as stored survives a power cut
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
    if name := connection.execute("PRAGMA database_list").fetchone()[2]:
        record.info["file"] = Path(name), _identity(Path(name))


def _write_ahead(cursor: Any) -> None:
    # Retried, because SQLite ignores its timeout here while another process is about to write into a new file.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _check_file_is_the_same(_connection: object, record: Any, _proxy: object) -> None:
    # SQLite would go on writing into a file that was deleted or replaced by a backup, and those rows would be lost.
    path, identity = record.info.get("file", (None, None))
    if path is not None and _identity(path) != identity:
        raise DisconnectionError("The database file was deleted or replaced.")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
