"""Transactions in a database that may be away."""

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
from mnist.store.outages import _told, unavailable
from mnist.store.schema import UnusableSchema, create_tables

log = logging.getLogger(__name__)
AT_ONCE = 5_000  # rows without their pictures that are read at once


class Storage:
    """What every part of the application that keeps something in the database is built on.

    Tables are made at the first use, and again after a failure, so that the application may start before its database
    and outlive a new one.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tables_ready = False
        self._count_outage: Callable[[str], None] = lambda operation: None

    def on_outage(self, count: Callable[[str], None]) -> None:
        """Have `count` called with the operation ("store", "correct", "read" or "delete") that the database refused."""
        self._count_outage = count

    @contextmanager
    def _session(self, operation: str | None = "read") -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on any error.

        operation: what an outage counts as; None: as nothing.
        Raises StorageUnavailable when the database can't do its part, IntegrityError when it refuses the data.
        """
        with self._telling_what_is_wrong(operation), Session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def _connection(self, operation: str) -> Iterator[Connection]:
        """As `_session`, for tables rather than objects: a stroke is stored in 0.4 ms of processor time so, not 1.4."""
        with self._telling_what_is_wrong(operation), self._engine.begin() as connection:
            yield connection

    def _in_turn(self, wanted: Select[Any], *key: Any, backwards: bool = False) -> Iterator[Any]:
        """All rows of a query in the order of `key`, whose columns are among its own; AT_ONCE of them a transaction.

        A row that comes meanwhile behind those that were read is left out.
        """
        order = [column.desc() for column in key] if backwards else key
        next_ones = wanted = wanted.order_by(*order).limit(AT_ONCE)
        while True:
            with self._session() as session:
                rows = session.execute(next_ones).all()
            yield from rows
            if len(rows) < AT_ONCE:
                return
            last = tuple(getattr(rows[-1], column.key) for column in key)
            next_ones = wanted.where(tuple_(*key) < last if backwards else tuple_(*key) > last)

    @contextmanager
    def _telling_what_is_wrong(self, operation: str | None) -> Iterator[None]:
        try:
            if not self._tables_ready:
                create_tables(self._engine)
                self._tables_ready = True
            yield
            _told.pop(self._engine, None)
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
    """Run an update or delete; returns how many rows it changed."""
    return cast("CursorResult[Any]", session.execute(statement)).rowcount


class _HasId(Protocol):
    @property
    def id(self) -> uuid.UUID: ...


_Row = TypeVar("_Row", bound=_HasId)


def by_id(ids: Sequence[uuid.UUID], found: Iterable[_Row]) -> list[_Row]:
    """What was found, in the order of `ids`; a row that is gone meanwhile is left out."""
    rows = {row.id: row for row in found}
    return [rows[each] for each in ids if each in rows]
