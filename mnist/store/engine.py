"""An engine from a URL, for SQLite, PostgreSQL, and MySQL or MariaDB."""

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

_MYSQL_CHECK_FAILED = (4025, 3819)  # MariaDB's number and MySQL's


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


def _name_refusals(context: ExceptionContext) -> None:
    """A failed CHECK is an IntegrityError; PyMySQL takes it for trouble with the server."""
    error = context.original_exception
    if error.args and error.args[0] in _MYSQL_CHECK_FAILED:
        raise IntegrityError(context.statement, context.parameters, error) from error


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
