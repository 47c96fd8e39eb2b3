"""Transactions on a database that may be unavailable, and how their errors are reported."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Connection, CursorResult, Delete, Engine, Select, Update, tuple_
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from mnist.drawing import StorageUnavailable
from mnist.store.outages import recovered, unavailable
from mnist.store.schema import UnusableSchema, create_tables

log = logging.getLogger(__name__)
AT_ONCE = 5_000  # rows per page of `_paged`; these are read without their pictures


class Storage:
    """Base class of everything that queries the database.

    Creates the tables before the first transaction, and before the first after an outage: the application may start
    before its database, and the database may be replaced while it runs.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tables_ready = False
        self._count_outage: Callable[[str], None] = lambda operation: None

    def on_outage(self, count: Callable[[str], None]) -> None:
        """Call `count` for each failed operation with its name: "store", "correct", "read" or "delete"."""
        self._count_outage = count

    @contextmanager
    def _session(self, operation: str | None = "read") -> Iterator[Session]:
        """One transaction: committed at the end of the block, rolled back on any exception.

        operation: the name under which an outage is counted; None: it is not counted.
        Raises StorageUnavailable when the database can't be used, IntegrityError when the data breaks a constraint.
        """
        with self._translate_errors(operation), Session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def _connection(self, operation: str) -> Iterator[Connection]:
        """Like `_session`, but without the ORM: storing a stroke takes 0.4 ms of processor time instead of 1.4."""
        with self._translate_errors(operation), self._engine.begin() as connection:
            yield connection

    def _paged(self, wanted: Select[Any], *key: Any, backwards: bool = False) -> Iterator[Any]:
        """All rows of a query by keyset pagination, AT_ONCE rows per transaction.

        key: columns of the query that identify a row together; they set the order, descending if `backwards`.
        A row that is inserted behind the current position meanwhile is left out.
        """
        order = [column.desc() for column in key] if backwards else key
        next_page = wanted = wanted.order_by(*order).limit(AT_ONCE)
        while True:
            with self._session() as session:
                rows = session.execute(next_page).all()
            yield from rows
            if len(rows) < AT_ONCE:
                return
            last = tuple(getattr(rows[-1], column.key) for column in key)
            next_page = wanted.where(tuple_(*key) < last if backwards else tuple_(*key) > last)

    @contextmanager
    def _translate_errors(self, operation: str | None) -> Iterator[None]:
        try:
            if not self._tables_ready:
                create_tables(self._engine)
                self._tables_ready = True
            yield
            recovered(self._engine)
        except IntegrityError:  # the caller's data is at fault, not the database
            raise
        except UnusableSchema as error:
            self._count(operation)
            raise StorageUnavailable(str(error)) from error
        except (SQLAlchemyError, OSError) as error:
            self._tables_ready = False
            self._count(operation)
            raise unavailable(self._engine, error) from error

    def _count(self, operation: str | None) -> None:
        if operation is not None:
            self._count_outage(operation)


def change(session: Session, statement: Update | Delete) -> int:
    """Run an update or delete; returns the number of rows it matched."""
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


class _HasId(Protocol):
    @property
    def id(self) -> uuid.UUID: ...


_Row = TypeVar("_Row", bound=_HasId)


def by_id(ids: Sequence[uuid.UUID], rows: Iterable[_Row]) -> list[_Row]:
    """Sort rows into the order of `ids`; an id without a row, because it was deleted, is left out."""
    found = {row.id: row for row in rows}
    return [found[each] for each in ids if each in found]
