"""The sockets of this process: small answers leave at once, and there may be many of them."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import stat
import time
from pathlib import Path

MOST_FILES = 65_536  # descriptors; an open page holds four
FULL = "socket.accept() out of system resource"  # how asyncio begins its complaint
COMPLAIN_SECONDS = 60


def allow_many_connections() -> None:
    """Raise this process's limit of open files as far as it may by itself, and complain quietly where that is too few.

    The usual limit of 1,024 is that of programs that use select(); here it is reached by 250 open pages.
    """
    logging.getLogger("asyncio").addFilter(_NowAndThen())
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows; or not even up to the hard limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
        if soft not in (resource.RLIM_INFINITY, hard) and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _NowAndThen(logging.Filter):
    """Without a descriptor left asyncio writes 2,048 tracebacks a second: 100 MB a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._told = -float("inf")

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.getMessage().startswith(FULL):
            return True
        if time.monotonic() < self._told + COMPLAIN_SECONDS:
            return False
        self._told = time.monotonic()
        return True


def answer_without_delay() -> int:
    """Set TCP_NODELAY on every listening socket; the connections that it accepts inherit it. Returns how many.

    asyncio sets the option itself only on sockets that name their protocol, which those of `streamlit run` and of
    `uvicorn --workers` do not. Without it each small answer on a kept-alive connection waits 40 ms for the client's
    delayed acknowledgement.
    """
    folder = Path("/dev/fd")  # Linux and macOS; elsewhere all stays as it was
    if not folder.exists():
        return 0
    return sum(_set_if_listening(int(name)) for name in os.listdir(folder) if name.isdecimal())


def _set_if_listening(descriptor: int) -> bool:
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        with socket.socket(fileno=os.dup(descriptor)) as found:
            if found.family not in (socket.AF_INET, socket.AF_INET6) or found.type != socket.SOCK_STREAM:
                return False
            if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return False
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return True
    except OSError:  # closed meanwhile
        return False
