"""How long a word from PostgreSQL is waited for; its own client would wait for ever when a server is stuck."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

CONNECT_SECONDS = 3  # a person waits for the page meanwhile
ANSWER_SECONDS = 10  # for a statement; the slowest of the page takes a tenth of it on a million drawings

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
    """From now on a statement that gets no answer in time ends its connection, with an OperationalError."""
    from psycopg2 import extensions  # not at the start of the file: with SQLite nobody needs libpq

    extensions.set_wait_callback(_wait)


def _wait(connection: Any) -> None:
    from psycopg2 import OperationalError, extensions

    limit = CONNECT_SECONDS if connection.status == extensions.STATUS_SETUP else ANSWER_SECONDS
    deadline = float("inf") if _is_patient.get() else time.monotonic() + limit
    while (state := connection.poll()) != extensions.POLL_OK:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(None if left == float("inf") else left * 1000):
            raise OperationalError("PostgreSQL did not answer in time")
