"""People's pen strokes (UCI's pen-based digits): found or fetched, read, and drawn by our own pen.

Alpaydin, E. and Alimoglu, F. (1998). Pen-Based Recognition of Handwritten Digits [Dataset]. UCI Machine Learning
Repository, https://doi.org/10.24432/C5MG6K, CC BY 4.0.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mnist.training.datasets import Labelled
from mnist.training.handwriting.pen import Line, draw, render
from mnist.training.handwriting.strokes import Drawn, deform, many, slip

ADDRESS = "https://archive.ics.uci.edu/ml/machine-learning-databases/pendigits/pendigits-orig.tra.Z"
PACKED, UNPACKED = "pendigits-orig.tra.Z", "pendigits-orig.tra"
SHA256 = {
    PACKED: "ceae25d05f1ccfed4d27ca2e5766370fb32ddd685a647567e84cf7685aa7ac8b",
    UNPACKED: "a66225d68d7d68591e62944df1ad33b3f5aa608e2df2505844b41f5568a80da4",
}
MOST_BYTES = 8 * 2**20  # of a download; the file has 1 MB
ATTRIBUTION = (
    "Pen-Based Recognition of Handwritten Digits, E. Alpaydin and F. Alimoglu (1998), UCI Machine Learning Repository, "
    "https://doi.org/10.24432/C5MG6K, CC BY 4.0"
)
KEPT_BACK = 20  # every twentieth drawing of a writer validates: the hand is known then, the drawing is not


class MissingPendigits(RuntimeError):
    """The strokes are not on disk and could not be fetched, or are not the ones that are expected."""


@dataclass(frozen=True, slots=True)
class Writing:
    """One digit as a person wrote it."""

    digit: int
    writer: int  # 1..30
    number: int  # counts the drawings of a writer
    lines: tuple[Line, ...]  # (points, 2) each, x to the right, y down; the longer side is 100 long


def load_pendigits(folder: Path, fetch: bool = False) -> list[Writing]:
    """The 7,494 digits of the 30 training writers.

    folder: holds pendigits-orig.tra.Z as UCI serves it, or that file unpacked; fetch: download it where it is missing.
    Raises MissingPendigits when the strokes are neither there nor to be had, or have another checksum.
    """
    for name in (PACKED, UNPACKED):
        if (folder / name).is_file():
            return list(parse(_unpacked(name, _checked(name, (folder / name).read_bytes(), folder / name))))
    if not fetch:
        raise MissingPendigits(f"{PACKED} is not in {folder}.")
    content = _checked(PACKED, _download(folder), ADDRESS)
    _keep(folder / PACKED, content)
    return list(parse(_unpacked(PACKED, content)))


def _checked(name: str, content: bytes, where: Path | str) -> bytes:
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise MissingPendigits(
            f"{where} is not the file that is expected (SHA-256 {SHA256[name]}). Delete it and get it again, from "
            f"{ADDRESS}."
        )
    return content


def _unpacked(name: str, content: bytes) -> str:
    if name == PACKED:
        from unlzw3 import unlzw  # only a training from scratch needs it

        content = unlzw(content)
    return content.decode("ascii")


def _download(folder: Path) -> bytes:
    try:
        with urllib.request.urlopen(ADDRESS, timeout=60) as answer:
            content: bytes = answer.read(MOST_BYTES)
    except OSError as error:
        raise MissingPendigits(
            f"{PACKED} is not in {folder} and could not be downloaded from {ADDRESS}: {error}. Set PENDIGITS_DIR to a "
            "folder that holds it, try again with a network, or train without it: --without-pendigits."
        ) from error
    return content


def _keep(path: Path, content: bytes) -> None:
    """Write it whole or not at all; where nothing can be written it is fetched again next time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
            part.write(content)
        os.replace(part.name, path)
    except OSError:
        pass


def parse(text: str) -> Iterator[Writing]:
    """UNIPEN text, whose y grows upward and whose comments say `digit writer number`, → writings."""
    digit, writer, number = -1, 0, 0
    lines: list[list[tuple[float, float]]] = []
    for row in text.splitlines():
        if row.startswith(".SEGMENT"):
            if lines:
                yield _writing(digit, writer, number, lines)
            lines = []
        elif row.startswith(".COMMENT"):
            digit, writer, number = (int(word) for word in row.split()[1:4])
        elif row.startswith(".PEN_DOWN"):
            lines.append([])
        elif row[:1] == " " and lines:
            x, y = row.split()
            lines[-1].append((float(x), -float(y)))
    if lines:
        yield _writing(digit, writer, number, lines)


def _writing(digit: int, writer: int, number: int, lines: list[list[tuple[float, float]]]) -> Writing:
    # A touch is one point, and a line has two.
    arrays = [np.array(line if len(line) > 1 else line * 2, dtype=np.float64) for line in lines if line]
    points = np.vstack(arrays)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 100 / max(float((high - low).max()), 1.0)
    return Writing(digit, writer, number, tuple((line - low) * scale for line in arrays))


def divide(
    writings: Sequence[Writing], left_out: Sequence[int] = ()
) -> tuple[list[Writing], list[Writing], list[Writing]]:
    """(to train on, to validate on, all by the writers `left_out`)."""
    known = [writing for writing in writings if writing.writer not in left_out]
    return (
        [writing for writing in known if writing.number % KEPT_BACK],
        [writing for writing in known if writing.number % KEPT_BACK == 0],
        [writing for writing in writings if writing.writer in left_out],
    )


# --- drawn by our pen ---

BEND = 0.7  # of the deformations that drawn styles get: these strokes have a person's own already
STIFF = 0.5  # … of 1 and 7, which an angle tells apart
MIXED = 0.4  # share of the drawings that are mixed with another writing of the same digit …
NEAR = 20.0  # … no further from it, on average over the points: beyond it a mixture is neither
OUTWARDS, INWARDS = 0.45, 0.55  # the most that a mixture goes away from the other writing, and towards it
PLACES = 24  # points to a stroke where two are compared


def pictures(
    count: int,
    seed: int,
    writings: Sequence[Writing],
    bend: float = BEND,
    workers: int = 1,
    progress: Drawn | None = None,
) -> Labelled:
    """`count` frames of the writings, each deformed and drawn its own way; the same for the same seed."""
    return many(count, seed, _Writings(tuple(writings), bend), workers, progress)


def as_written(writings: Sequence[Writing]) -> Labelled:
    """One frame of each writing, in order, drawn plainly as on the page's canvas: 200 pixels high by a pen of 18."""
    return many(len(writings), 0, _Plain(tuple(writings)))


class _Plain:
    """A drawer that takes the writings in turn."""

    def __init__(self, writings: tuple[Writing, ...]) -> None:
        self.writings = writings
        self.next = 0

    def __call__(self, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        writing = self.writings[self.next]
        self.next += 1
        return render(writing.lines, 200, 18), writing.digit


class _Writings:
    """A picklable drawer for worker processes."""

    def __init__(self, writings: tuple[Writing, ...], bend: float) -> None:
        self.by_digit = [[writing for writing in writings if writing.digit == digit] for digit in range(10)]
        self.present = [digit for digit in range(10) if self.by_digit[digit]]
        self.bend = bend

    def __call__(self, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        digit = self.present[int(rng.integers(len(self.present)))]
        alike = self.by_digit[digit]
        writing = alike[int(rng.integers(len(alike)))]
        lines: Sequence[Line] = writing.lines
        if self.bend >= BEND and rng.random() < MIXED:
            lines = mix(lines, alike[int(rng.integers(len(alike)))].lines, rng)
        tame = self.bend * (STIFF / BEND if digit in (1, 7) else 1.0)
        return draw(deform(slip(lines, rng), rng, tame), rng), digit


def mix(lines: Sequence[Line], other: Sequence[Line], rng: np.random.Generator) -> Sequence[Line]:
    """A writing moved towards or away from another of the same strokes; as it was where they are not alike."""
    if len(lines) != len(other):
        return lines
    ours, theirs = np.stack([_even(line) for line in lines]), np.stack([_even(line) for line in other])
    if np.linalg.norm(ours - theirs, axis=2).mean() > NEAR:
        return lines
    share = rng.uniform(-OUTWARDS, INWARDS)
    moves = (theirs - ours) * share
    return [line + _along(line, move) for line, move in zip(lines, moves, strict=True)]


def _lengths(line: Line) -> np.ndarray:
    """(points,) 0..1: the share of the line's length at each point."""
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    return gone / max(float(gone[-1]), 1e-6)


def _even(line: Line) -> Line:
    """(PLACES, 2): points at even distances along the line."""
    gone, at = _lengths(line), np.linspace(0, 1, PLACES)
    return np.stack([np.interp(at, gone, line[:, axis]) for axis in (0, 1)], axis=1)


def _along(line: Line, moves: Line) -> Line:
    """(points, 2): moves given at even distances, as seen from each of the line's points."""
    gone, at = _lengths(line), np.linspace(0, 1, PLACES)
    return np.stack([np.interp(gone, at, moves[:, axis]) for axis in (0, 1)], axis=1)
