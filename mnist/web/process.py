"""Settings of the serving process as a whole, such as those of its memory allocator."""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD = -3  # from glibc's malloc.h


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
