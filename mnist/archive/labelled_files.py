"""Reads labelled pictures in the forms that people have: folders 0 to 9, a table, MNIST as CSV or IDX, an export."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import struct
import uuid
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from mnist.archive.export import (
    COLUMNS,
    MOST_BYTES,
    MOST_REASON,
    TABLE,
    UNREADABLE,
    BadArchive,
    checked,
    read_archive,
    unread,
)
from mnist.archive.streams import MOST_UNPACKED, Bounded, exactly, header, rows
from mnist.drawing import IMPORTED, Drawing, utc_now
from mnist.vision.image_files import encode_png

FORMS = (
    "a zip or a folder with pictures in folders 0 to 9, with a table of the columns file and label, or with MNIST’s "
    "IDX files; a CSV with a label and 784 numbers a line; or what an export wrote"
)
SIDE = 28  # pixels of a picture in a CSV
MOST_SIDE = 1_000  # pixels of a picture in an IDX file
LABEL_COLUMNS = ("label", "class", "target")
_IDS = uuid.UUID("8e2b1f2c-5d0e-4c53-9a55-1f0a7b6f2d10")  # namespace of ids that are made from a picture's content
_LITTER = re.compile(r"(^|/)(__MACOSX/|\._|\.DS_Store$|Thumbs\.db$|desktop\.ini$)")
_IDX = re.compile(r"images([-.])idx3")


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labelled pictures, not read yet.

    entries: for each its name and the drawing, without a prediction, or the reason why it can't be used. Reading them
    raises BadArchive.
    total: how many there are at most; None: unknown.
    """

    entries: Iterable[tuple[str, Drawing] | str]
    total: int | None = None


@dataclass(frozen=True, slots=True)
class _Files:
    """Files of a zip or a folder. open: takes a name and the most bytes that the file may have."""

    names: Sequence[str]
    open: Callable[[str, int], AbstractContextManager[Any]]


@contextmanager
def labelled_in(path: Path) -> Iterator[Labelled]:
    """The labelled pictures of a file or folder. Raises BadArchive or OSError."""
    if path.is_dir():
        names = sorted(each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file())
        yield _of_files(_Files(names, lambda name, most: _sized(path / name, most)))
    elif _IDX.search(path.name):
        pair = [path.name, _labels_of(path.name)]
        yield _of_files(_Files(pair, lambda name, most: _sized(path.with_name(name), most)))
    else:
        with path.open("rb") as file:
            yield labelled_in_file(file, path.name)


def labelled_in_file(file: BinaryIO, name: str) -> Labelled:
    """The labelled pictures of one open file, a zip or a table. Raises BadArchive."""
    if not zipfile.is_zipfile(file):
        return _of_files(_Files([name], lambda *_: _rewound(file)))
    try:
        archive = zipfile.ZipFile(file)
        names = [member.filename for member in archive.infolist() if not member.is_dir()]
        files = _Files(names, lambda name, most: archive.open(checked(archive.getinfo(name), most)))
        if TABLE in names:
            with files.open(TABLE, MOST_UNPACKED) as table:
                is_export = set(COLUMNS) <= set(header(table))
            if is_export:
                exported = (each if isinstance(each, str) else (str(each.id), each) for each in read_archive(file))
                return Labelled(exported, len(names) - 1)
        return _of_files(files)
    except UNREADABLE as error:
        raise BadArchive(f"The zip file can’t be read: {error}") from error


def _of_files(files: _Files) -> Labelled:
    names = [name for name in files.names if not _LITTER.search(name)]
    tables = [name for name in names if re.search(r"\.csv(\.gz)?$|\.tsv$", name, re.IGNORECASE)]
    for name in tables:
        with _unpacked(files, name) as stream:
            columns = header(stream)
        if {"file", "label"} <= set(columns):
            return Labelled(_in_table(files, name, names), len(names) - 1)
        if len(columns) == 1 + SIDE * SIDE:
            return Labelled(_in_numbers(files, name))
    if pairs := [(name, _labels_of(name)) for name in names if _IDX.search(name) and _labels_of(name) in names]:
        total = sum(_idx_count(files, images) for images, _ in pairs)
        return Labelled((entry for pair in pairs for entry in _in_idx(files, *pair)), total)
    pictures = [name for name in names if re.fullmatch("[0-9]", PurePosixPath(name).parent.name)]
    if not pictures:
        raise BadArchive(f"No labelled pictures are in it. It can be {FORMS}.")
    others = [name for name in names if name not in set(pictures)]
    return Labelled(_in_folders(files, pictures, others), len(names))


def _in_folders(files: _Files, pictures: Sequence[str], others: Sequence[str]) -> Iterator[tuple[str, Drawing] | str]:
    """Pictures whose folder is their label, as torchvision's ImageFolder has them."""
    for name in pictures:
        yield _read(files, name, PurePosixPath(name).parent.name)
    for name in others:
        yield f"{name}: it is in no folder 0 to 9"[:MOST_REASON]


def _in_table(files: _Files, table: str, names: Sequence[str]) -> Iterator[tuple[str, Drawing] | str]:
    """Pictures that a table names, with their labels; paths begin at the table's folder."""
    known, folder = set(names), PurePosixPath(table).parent
    with _unpacked(files, table) as stream:
        lines = rows(stream)
        columns = [name.strip().lower() for name in next(lines)]
        at = columns.index("file"), columns.index("label")
        for number, row in enumerate(lines, start=2):
            if not row:
                continue
            if len(row) <= max(at):
                yield f"line {number}: it has no file or no label"
                continue
            name = str(folder / row[at[0]].strip().replace("\\", "/").removeprefix("./"))
            yield _read(files, name, row[at[1]]) if name in known else f"line {number}: no file {name}"[:MOST_REASON]


def _in_numbers(files: _Files, table: str) -> Iterator[tuple[str, Drawing] | str]:
    """Pictures of 28 × 28 numbers 0–255, one a line beside its label: in the first column, or where a header says."""
    with _unpacked(files, table) as stream:
        lines = rows(stream)
        at = 0
        for number, row in enumerate(lines, start=1):
            if number == 1 and not row[0].strip().replace(".", "").isdecimal():
                at = next((row.index(name) for name in LABEL_COLUMNS if name in row), 0)
                continue
            try:
                pixels = np.array([*row[:at], *row[at + 1 :]], dtype=np.float64)
                if pixels.shape != (SIDE * SIDE,) or not ((pixels >= 0) & (pixels <= 255)).all():
                    raise ValueError(f"it must have {SIDE * SIDE} numbers from 0 to 255 beside the label")
                yield f"line {number}", _drawing_of(pixels.astype(np.uint8).reshape(SIDE, SIDE), row[at])
            except (ValueError, IndexError) as error:
                yield f"line {number}: {error}"[:MOST_REASON]


def _in_idx(files: _Files, images: str, labels: str) -> Iterator[tuple[str, Drawing] | str]:
    """Pictures and labels in two files of MNIST's own format (https://yann.lecun.com/exdb/mnist)."""
    with _unpacked(files, images) as pictures, _unpacked(files, labels) as truths:
        magic, count, height, width = struct.unpack(">4I", exactly(pictures, 16, images))
        label_magic, label_count = struct.unpack(">2I", exactly(truths, 8, labels))
        is_known = (magic, label_magic) == (0x803, 0x801) and count == label_count
        if not is_known or not (1 <= height <= MOST_SIDE and 1 <= width <= MOST_SIDE):
            raise BadArchive(f"{images} and {labels} are not the pictures and labels of one IDX data set.")
        for number in range(count):
            pixels = np.frombuffer(exactly(pictures, height * width, images), np.uint8).reshape(height, width)
            label, name = str(exactly(truths, 1, labels)[0]), f"{images}, picture {number}"
            try:
                yield name, _drawing_of(pixels, label)
            except ValueError as error:
                yield f"{name}: {error}"[:MOST_REASON]


def _idx_count(files: _Files, images: str) -> int:
    with _unpacked(files, images) as pictures:
        return int.from_bytes(exactly(pictures, 8, images)[4:])


def _read(files: _Files, name: str, label: str) -> tuple[str, Drawing] | str:
    try:
        with files.open(name, MOST_BYTES) as stream:
            picture = stream.read(MOST_BYTES + 1)
        return name, _drawing(picture, picture, label)
    except UNREADABLE as error:
        return f"{name}: {error}"[:MOST_REASON]


def _drawing_of(pixels: np.ndarray, label: str) -> Drawing:
    """pixels: (H, W) uint8, in which the same picture has the same id whatever file it comes from."""
    return _drawing(pixels.tobytes(), encode_png(pixels), label)


def _drawing(content: bytes, picture: bytes, label: str) -> Drawing:
    """content: makes the id, so that a second import finds the drawing. Raises ValueError for what is no label."""
    text = label.strip().removesuffix(".0")
    if not text:
        raise ValueError("it has no label")
    now = utc_now()
    return unread(
        None if text == "not a digit" else text,
        id=uuid.uuid5(_IDS, hashlib.sha256(content).hexdigest()),
        image=picture,
        source=IMPORTED,
        created_at=now,
        labelled_at=now,
    )


def _labels_of(images: str) -> str:
    return _IDX.sub(r"labels\1idx1", images)


def _rewound(file: BinaryIO) -> AbstractContextManager[BinaryIO]:
    """The file from its beginning; whoever opened it closes it."""
    file.seek(0)
    return nullcontext(file)


def _sized(path: Path, most: int) -> BinaryIO:
    if path.stat().st_size > most:
        raise ValueError(f"it has more than {most // 2**20} MB")
    return path.open("rb")


@contextmanager
def _unpacked(files: _Files, name: str) -> Iterator[BinaryIO]:
    """A table or an IDX file, unpacked piece by piece. Raises BadArchive for whatever is wrong with it."""
    try:
        with files.open(name, MOST_UNPACKED) as packed:
            stream = gzip.GzipFile(fileobj=packed) if name.lower().endswith(".gz") else packed
            yield io.BufferedReader(Bounded(stream))
    except BadArchive:
        raise
    except (csv.Error, struct.error, *UNREADABLE) as error:
        raise BadArchive(f"{name} can’t be read: {error}") from error
