"""Database timeouts; without them PostgreSQL's client waits forever for a server that hangs."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

CONNECT_SECONDS = 3  # short, because a visitor is waiting for the page
# Without receiving a byte; the page's slowest statement takes a tenth of it on a million drawings.
ANSWER_SECONDS = 10
_is_patient: ContextVar[bool] = ContextVar("is_patient", default=False)


@contextmanager
def patiently() -> Iterator[None]:
    """Within the block statements have no timeout: changing large tables takes long."""
    token = _is_patient.set(True)
    try:
        yield
    finally:
        _is_patient.reset(token)


def limit_waiting() -> None:
    """Make psycopg2, for the whole process, raise OperationalError when PostgreSQL sends nothing for ANSWER_SECONDS.

    Every byte restarts the clock: pictures may take long on a slow line, whereas a server that hangs sends nothing.
    """
    from psycopg2 import extensions  # here: with SQLite nothing needs libpq

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
        if not is_new:  # connecting moves no pictures, so it has one deadline as a whole
            deadline = time.monotonic() + limit
