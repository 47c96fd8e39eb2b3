"""Settings of the serving process as a whole, such as those of its memory allocator."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable

M_MMAP_THRESHOLD = -3  # from glibc's malloc.h
TIDY_SECONDS = 30


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
