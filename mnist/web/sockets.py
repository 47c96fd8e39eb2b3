"""Socket settings of the serving process: how many connections it may hold, and no delay for small responses."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
import time
from pathlib import Path

MOST_FILES = 65_536  # file descriptors; an open page needs four
FULL = "socket.accept() out of system resource"  # the beginning of asyncio's log message
COMPLAIN_SECONDS = 60  # between two such messages


def allow_many_connections() -> None:
    """Raise the soft limit of open files up to MOST_FILES, and throttle asyncio's messages when it is reached.

    The usual 1,024 is a relic of select(); 250 open pages would reach it.
    """
    logging.getLogger("asyncio").addFilter(_Throttle())
    # Windows has no such limit, and some systems refuse to raise it even to the hard limit.
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
        if soft not in (resource.RLIM_INFINITY, hard) and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Throttle(logging.Filter):
    """Passes one such message per COMPLAIN_SECONDS; asyncio logs 2,048 tracebacks a second, 100 MB a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._last_passed = -float("inf")

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.getMessage().startswith(FULL):
            return True
        if time.monotonic() < self._last_passed + COMPLAIN_SECONDS:
            return False
        self._last_passed = time.monotonic()
        return True


def answer_without_delay() -> int:
    """Set TCP_NODELAY on every listening socket, whose connections inherit it; returns the number of sockets.

    Without it each small response on a kept-alive connection waits 40 ms for the client's delayed acknowledgement.
    asyncio sets it only on sockets with an explicit protocol, unlike those of `streamlit run` and `uvicorn --workers`.
    """
    folder = Path("/dev/fd")  # Linux and macOS; elsewhere nothing is changed
    if not folder.exists():
        return 0
    return sum(_set_if_listening(int(name)) for name in os.listdir(folder) if name.isdecimal())


def _set_if_listening(descriptor: int) -> bool:
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        with socket.socket(fileno=os.dup(descriptor)) as candidate:
            if candidate.family not in (socket.AF_INET, socket.AF_INET6) or candidate.type != socket.SOCK_STREAM:
                return False
            if not candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return False
            candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return True
    except OSError:  # was closed since the listing
        return False
