"""Settings of the serving process as a whole, such as those of its memory allocator."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
from collections.abc import Callable, Mapping
from itertools import pairwise

M_MMAP_THRESHOLD = -3  # from glibc's malloc.h
TIDY_SECONDS = 30


def refuse_more_workers(arguments: list[str], environment: Mapping[str, str]) -> None:
    """End a server of several worker processes: a visitor's session, uploads and limits live in one of them only.

    arguments: the command line, which a worker of uvicorn's has from its parent. Raises SystemExit.
    """
    import multiprocessing  # here: app.py imports this file before it pauses the collector

    parent = multiprocessing.parent_process()
    following = [after for name, after in pairwise(arguments) if name == "--workers"]
    joined = [each.partition("=")[2] for each in arguments if each.startswith("--workers=")]
    count = [*following, *joined, environment.get("WEB_CONCURRENCY") or "1"][0]
    if parent is None or parent.pid is None or not count.isdecimal() or int(count) < 2:
        return
    os.kill(parent.pid, signal.SIGTERM)  # or it would start the worker again and again
    raise SystemExit(
        f"{count} workers were asked for (--workers or WEB_CONCURRENCY), but one process serves everybody: with more, "
        "pages lose their sessions. Start it without; for more processors run several servers behind Caddy (REPLICAS)."
    )


def give_memory_back() -> None:
    """Make glibc return blocks of 1 MB and more to the system as soon as they are freed.

    By default each thread's arena keeps what image decoders freed: 750 MB after large pictures on eight threads
    (tests/resilience/test_hostile.py), where the pictures being decoded take 250. Does nothing without glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    mallopt(M_MMAP_THRESHOLD, 2**20)


def pause_collector() -> None:
    """Stop the garbage collector while objects are made that stay: looking at them again and again takes 0.4 s."""
    gc.disable()


def resume_collector() -> None:
    """Start the garbage collector again, out of whose sight everything goes that there is now.

    250,000 objects of the application's never go; to look at all of them takes 180 ms of processor time, in the next
    collection and in every full one.
    """
    gc.freeze()
    gc.enable()


async def tidy_up(forget_sessions: Callable[[], None]) -> None:
    """Every TIDY_SECONDS, for ever: have sessions that ended forgotten, and what they held given back to the system.

    Without this it stays until another visitor comes: Streamlit forgets an ended session at the next one's end, its
    objects refer to each other, and glibc keeps the memory of small objects.
    """
    import asyncio  # here: app.py imports this file before it pauses the collector

    while True:
        await asyncio.sleep(TIDY_SECONDS)
        forget_sessions()
        await asyncio.to_thread(_collect)


def _collect() -> None:
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library
        return
