"""How long the database is waited for; PostgreSQL's own client would wait for ever when a server is stuck."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

CONNECT_SECONDS = 3  # a person waits for the page meanwhile
ANSWER_SECONDS = 10  # without a byte; the slowest statement of the page takes a tenth of it on a million drawings
_is_patient: ContextVar[bool] = ContextVar("is_patient", default=False)


@contextmanager
def patiently() -> Iterator[None]:
    """Within the block statements may take as long as they need: changing large tables does."""
    token = _is_patient.set(True)
    try:
        yield
    finally:
        _is_patient.reset(token)


def limit_waiting() -> None:
    """From now on a statement that gets no answer in time ends its connection, with an OperationalError.

    While bytes go or come, it is not counted: pictures may take long on a slow line, and a stuck server sends none.
    """
    from psycopg2 import extensions  # not at the start of the file: with SQLite nobody needs libpq

    extensions.set_wait_callback(_wait)


def _wait(connection: Any) -> None:
    from psycopg2 import OperationalError, extensions

    is_new = connection.status == extensions.STATUS_SETUP
    limit = CONNECT_SECONDS if is_new else float("inf") if _is_patient.get() else ANSWER_SECONDS
    deadline = time.monotonic() + limit
    while (state := connection.poll()) != extensions.POLL_OK:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(None if left == float("inf") else left * 1000):
            raise OperationalError("PostgreSQL did not answer in time")
        if not is_new:  # a connection has its time as a whole: it moves no pictures
            deadline = time.monotonic() + limit
