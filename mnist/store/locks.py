"""Every lock: while tables change, and for the one retraining that may work on a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import (
    Connection,
    Engine,
    text,
)
from sqlalchemy.exc import SQLAlchemyError

from mnist.drawing import StorageUnavailable
from mnist.store.outages import unavailable

BUSY_SECONDS = 5  # how long a writer waits for another one's lock in SQLite
MYSQL_LOCK_SECONDS = 60  # how long a named lock of MySQL is waited for
_CREATE_LOCK = 0x6D6E697374  # "mnist"


def lock_schema(connection: Connection) -> None:
    """Wait until no other process makes or changes tables, and keep them from it until the transaction ends."""
    if connection.dialect.name == "postgresql":  # two processes that start at once would both find a table missing
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATE_LOCK})
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "mysql":
        take_mysql_lock(connection, "tables")


def take_mysql_lock(connection: Connection, name: str, *, wait: int = MYSQL_LOCK_SECONDS) -> None:
    """Take a named lock of this database; it ends with the connection, which is not put back into the pool.

    wait: s. Raises TimeoutError when another connection has it that long.
    """
    connection.detach()
    lock = text("SELECT GET_LOCK(MD5(CONCAT(:name, ' of ', DATABASE())), :wait)")  # names belong to the whole server
    if connection.scalar(lock, {"name": name, "wait": wait}) != 1:
        raise TimeoutError(f"Another connection has held the lock “{name}” for {wait} s.")


_KEY = 0x72657472  # "retr"
_GIVE_BACK = {"postgresql": "SELECT pg_advisory_unlock_all()", "mysql": "SELECT RELEASE_ALL_LOCKS()"}


class AnotherRun(RuntimeError):
    """Another retraining is at work on this database."""


@contextmanager
def run_lock(engine: Engine) -> Iterator[None]:
    """Hold the lock of this database for the length of the block.

    PostgreSQL: an advisory lock of a connection that is kept for nothing else; the server releases it when the
    connection ends, however it ends. It needs a session of its own: behind PgBouncer use session pooling.
    MySQL and MariaDB: a named lock, likewise.
    SQLite: a lock of the operating system on a file beside the database, which ends with the process.
    Raises AnotherRun, or StorageUnavailable.
    """
    with _beside_the_file(engine) if engine.dialect.name == "sqlite" else _on_the_server(engine):
        yield


@contextmanager
def _on_the_server(engine: Engine) -> Iterator[None]:
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # closing it must end it, not put it back into the pool with the lock
        is_ours = (_take_in_mysql if engine.dialect.name == "mysql" else _take_in_postgresql)(connection)
    except SQLAlchemyError as error:
        raise unavailable(engine, error) from error
    try:
        if not is_ours:
            raise AnotherRun("Another retraining is at work on this database.")
        yield
    finally:
        with suppress(SQLAlchemyError):  # a broken connection: then its end gives the lock back, a moment later
            connection.scalar(text(_GIVE_BACK[engine.dialect.name]))
        connection.close()


def _take_in_postgresql(connection: Connection) -> bool:
    # A machine that vanishes sends no goodbye: have the server notice within a minute, not in two hours.
    for name, value in (("idle", 30), ("interval", 10), ("count", 3)):
        connection.execute(text(f"SET tcp_keepalives_{name} = {value}"))
    return bool(connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _KEY}))


def _take_in_mysql(connection: Connection) -> bool:
    connection.execute(text("SET SESSION wait_timeout = 604800"))  # s; it is silent as long as the run takes
    try:
        take_mysql_lock(connection, "retrain", wait=0)
    except TimeoutError:
        return False
    return True


@contextmanager
def _beside_the_file(engine: Engine) -> Iterator[None]:
    import fcntl  # not on Windows, where the rest of the application works

    path = Path(f"{engine.url.database or 'mnist.db'}.retrain.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # To read is enough for a lock, and a file that root's run has left is no more than that to others.
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageUnavailable(f"The lock file {path} can't be opened: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AnotherRun("Another retraining is at work on this database.") from None
    try:
        yield
    finally:
        os.close(descriptor)  # the file stays: removing it would let two runs lock two files of one name
