"""What the serving process asks of the C library and of the garbage collector."""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD = -3  # of glibc's malloc.h


def give_memory_back() -> None:
    """Have the C library return every large block as soon as it is free, for the rest of this process.

    By itself glibc keeps what a decoder has freed, for each thread anew: 750 MB after large pictures on eight threads
    (tests/resilience/test_hostile.py) where the pictures that are being decoded take 250.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    mallopt(M_MMAP_THRESHOLD, 2**20)
