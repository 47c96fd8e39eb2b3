"""Streams of untrusted files: bounded unpacking, and tables read line by line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO

from mnist.archive.export import BadArchive

MOST_LINE = 10_000  # characters of a line of a table; 785 columns have up to 8,000
MOST_UNPACKED = 2 * 2**30  # bytes of a table or an IDX file, read piece by piece


class Bounded(io.RawIOBase):
    """A stream of at most MOST_UNPACKED bytes, which closes nothing: a small file can unpack to any size."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream, self._left = stream, MOST_UNPACKED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._stream.read(len(buffer))
        self._left -= len(piece)
        if self._left < 0:
            raise BadArchive(f"It unpacks to more than {MOST_UNPACKED // 2**30} GB.")
        buffer[: len(piece)] = piece
        return len(piece)


def rows(stream: BinaryIO) -> Iterator[list[str]]:
    """The rows of a table with commas, semicolons or tabs."""
    lines = _lines(io.TextIOWrapper(stream, encoding="utf-8-sig", newline=""))
    first = next(lines, "")
    return csv.reader(chain([first], lines), delimiter=max(",;\t", key=first.count))


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(MOST_LINE + 1):
        if len(line) > MOST_LINE:
            raise BadArchive(f"A line of the table has more than {MOST_LINE:,} characters.")
        yield line


def header(stream: BinaryIO) -> list[str]:
    """The first row in small letters; empty if this is no table."""
    try:
        return [name.strip().lower() for name in next(rows(stream), [])]
    except (BadArchive, UnicodeDecodeError, csv.Error):
        return []


def exactly(stream: BinaryIO, size: int, name: str) -> bytes:
    """The next `size` bytes. Raises BadArchive if the file, called `name`, ends before."""
    data = stream.read(size)
    if len(data) < size:
        raise BadArchive(f"{name} ends too early. What came before is imported.")
    return data
