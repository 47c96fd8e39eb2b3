"""Database locks: one for changes of the schema, one that admits a single retraining at a time."""

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

BUSY_SECONDS = 5  # SQLite: how long a writer waits for another's lock
MYSQL_LOCK_SECONDS = 60  # how long a named lock of MySQL is waited for
_SCHEMA_LOCK = 0x6D6E697374  # "mnist"


def lock_schema(connection: Connection) -> None:
    """Wait for the exclusive right to change the schema, and hold it until the transaction ends."""
    if connection.dialect.name == "postgresql":  # else two processes that start together would both create a table
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif connection.dialect.name == "mysql":
        take_mysql_lock(connection, "tables")


def take_mysql_lock(connection: Connection, name: str, *, wait: int = MYSQL_LOCK_SECONDS) -> None:
    """Take a named lock of this database; closing the connection, which leaves the pool, releases it.

    wait: seconds. Raises TimeoutError when another connection holds the lock for that long.
    """
    connection.detach()
    lock = text("SELECT GET_LOCK(MD5(CONCAT(:name, ' of ', DATABASE())), :wait)")  # lock names are global to the server
    if connection.scalar(lock, {"name": name, "wait": wait}) != 1:
        raise TimeoutError(f"Another connection has held the lock “{name}” for {wait} s.")


_RETRAIN_LOCK = 0x72657472  # "retr"


class AnotherRun(RuntimeError):
    """Another retraining holds the lock of this database."""


@contextmanager
def run_lock(engine: Engine) -> Iterator[None]:
    """Hold this database's retraining lock during the block.

    PostgreSQL: an advisory lock of a transaction that stays open on a connection of its own, and which the server
    releases however that connection ends; PgBouncer leaves an open transaction its connection in every mode of pooling.
    MySQL and MariaDB: a named lock of a connection.
    SQLite: flock on a file beside the database, which the operating system releases when the process ends.
    Raises AnotherRun when the lock is taken, or StorageUnavailable.
    """
    with _lock_file(engine) if engine.dialect.name == "sqlite" else _lock_on_server(engine):
        yield


@contextmanager
def _lock_on_server(engine: Engine) -> Iterator[None]:
    try:
        is_mysql = engine.dialect.name == "mysql"
        connection = engine.connect()
        if is_mysql:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # close() must end the connection, not return it to the pool with the lock
        is_ours = (_take_in_mysql if is_mysql else _take_in_postgresql)(connection)
    except SQLAlchemyError as error:
        raise unavailable(engine, error) from error
    try:
        if not is_ours:
            raise AnotherRun("Another retraining is at work on this database.")
        yield
    finally:
        with suppress(SQLAlchemyError):  # a broken connection releases the lock anyway, a moment later
            if is_mysql:
                connection.scalar(text("SELECT RELEASE_ALL_LOCKS()"))
            else:
                connection.rollback()
        connection.close()


def _take_in_postgresql(connection: Connection) -> bool:
    """The transaction that this begins holds the lock. Between its statements it holds up no other one's rows."""
    # Keepalives let the server notice a vanished client within a minute; its default takes two hours.
    for name, value in (("idle", 30), ("interval", 10), ("count", 3)):
        connection.execute(text(f"SET LOCAL tcp_keepalives_{name} = {value}"))
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    return bool(connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _RETRAIN_LOCK}))


def _take_in_mysql(connection: Connection) -> bool:
    # In seconds: the connection stays idle as long as the run takes.
    connection.execute(text("SET SESSION wait_timeout = 604800"))
    try:
        take_mysql_lock(connection, "retrain", wait=0)
    except TimeoutError:
        return False
    return True


@contextmanager
def _lock_file(engine: Engine) -> Iterator[None]:
    import fcntl  # imported here because Windows, where the rest works, has none

    path = Path(f"{engine.url.database or 'mnist.db'}.retrain.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # flock needs no write access, and a lock file that root created is read-only for everybody else.
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StorageUnavailable(f"The lock file {path} can't be opened: {error.strerror}.") from error
    with suppress(PermissionError):  # somebody else's
        os.fchmod(descriptor, 0o644)  # whatever the umask of the run that made it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AnotherRun("Another retraining is at work on this database.") from None
    try:
        yield
    finally:
        os.close(descriptor)  # keep the file: if it were removed, two runs could lock two different files
