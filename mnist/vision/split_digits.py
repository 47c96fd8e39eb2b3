"""A number written side by side → its digits, in reading order."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mnist.vision.ink import INK

MAX_DIGITS = 12
MAX_PIECES = 60
SOLID = 64  # of 255: paler ink, such as the soft edge of a stroke, connects nothing
SHEARS = np.linspace(-0.6, 0.6, 13)  # slants at which a straight line may pass between two digits
# The shares below are of the line's height; benchmarks/whole_numbers.py measures what they are worth.
SPECK = 0.08  # a piece smaller than that both ways is dropped, if it is away from every digit
FULL = 0.5  # a piece at least that high may be a digit; a lower one is a part of the digit next to it
APART = -0.03  # two such pieces with less room between them (here: more overlap) are parts of one digit
LOW_APART = 0.05  # as APART, when one piece is much lower than the other: the two strokes of an open 4
LOW = 0.72  # of the higher piece
BELONGS = 0.3  # a part with more room around it is no part
TOO_WIDE = 1.4  # times its height, upright: hardly a digit alone is wider (0.6 % of MNIST's) …
WIDE_BESIDE = 1.2  # … and beside others, by a hand that is known to part some of its digits, it need not be so wide
STACKED = 0.15  # two parts with no more room than that from top to bottom, one above the other, are of one digit …
TALL = 0.7  # … where they are as high as that together: the circles of an 8 that do not touch
UNDERLINE = 0.25  # a piece lower than that which runs under two digits or more belongs to none


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One digit of a number, or several that touch."""

    ink: np.ndarray  # (h, w) uint8, 0 = paper, 255 = ink; ink touches all four edges
    left: int  # of the box in the picture's pixels; its size is that of `ink`
    top: int
    touching: bool  # wider than a digit: probably two that touch, so whatever it is read as is unsure


@dataclass(slots=True, eq=False)
class _Piece:
    """Connected ink, or several such pieces that make one digit."""

    labels: list[int]
    top: int
    bottom: int
    starts: np.ndarray  # (len(SHEARS),) where the piece begins, in pixels, when the picture is sheared upright
    ends: np.ndarray  # (len(SHEARS),) where it ends

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> float:
        """Of the piece when its own slant is taken out."""
        return float((self.ends - self.starts).min())

    @property
    def centre(self) -> float:
        upright = len(SHEARS) // 2
        return float(self.starts[upright] + self.ends[upright]) / 2

    def room_beside(self, other: _Piece) -> float:
        """Pixels between the two at the slant that parts them best; negative where they overlap at every slant."""
        return float(np.maximum(other.starts - self.ends, self.starts - other.ends).max())

    def joined(self, other: _Piece) -> _Piece:
        return _Piece(
            self.labels + other.labels,
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            np.minimum(self.starts, other.starts),
            np.maximum(self.ends, other.ends),
        )


def split_digits(ink: np.ndarray) -> list[Segment]:
    """Part digits that stand side by side; strokes of one digit stay together.

    ink: (H, W) uint8, 0 = paper, 255 = ink, as `find_ink` returns it.
    Returns 0 (no ink) to MAX_DIGITS segments from left to right. A drawing that is one digit comes back whole, specks
    and all, so that it reads as it does without this function. Beyond MAX_DIGITS the rest is left out and the last
    segment is marked `touching`.
    """
    left, top, width, height = cv2.boundingRect(ink)  # most of a canvas is paper
    found = _split(ink[top : top + height, left : left + width]) if width else []
    return [Segment(each.ink, each.left + left, each.top + top, each.touching) for each in found]


def _split(ink: np.ndarray) -> list[Segment]:
    solid = np.asarray(ink >= SOLID, np.uint8)
    count, _ = cv2.connectedComponents(solid, connectivity=8)
    if count == 1:
        return []
    if count == 2:
        _, _, width, height = cv2.boundingRect(solid)
        if width <= TOO_WIDE * height:
            return [_whole(ink, touching=False)]  # one piece, not wide even with its slant: nearly every drawing
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)  # takes eight times as long
    pieces = _pieces(labels, np.asarray(stats))
    line = max(piece.height for piece in pieces)
    digits = _digits(pieces, line)
    if len(digits) == 1:
        return [_whole(ink, digits[0].width > TOO_WIDE * digits[0].height)]
    digits.sort(key=lambda piece: piece.centre)
    segments = [_cut(ink, labels, piece, line) for piece in digits[:MAX_DIGITS]]
    if len(digits) > MAX_DIGITS:
        last = segments[-1]
        segments[-1] = Segment(last.ink, last.left, last.top, touching=True)
    return segments


def _pieces(labels: np.ndarray, stats: np.ndarray) -> list[_Piece]:
    """Every connected piece but single pixels; at most MAX_PIECES, the largest, so that noise costs no time."""
    largest = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MAX_PIECES] + 1
    pieces: list[_Piece] = []
    for label in largest:
        left, top, width, height, area = stats[label]
        if area < 2 and pieces:
            break
        own = labels[top : top + height, left : left + width] == label
        rows = np.flatnonzero(own.any(axis=1))
        first, last = own.argmax(axis=1)[rows], width - 1 - own[:, ::-1].argmax(axis=1)[rows]
        lean = SHEARS[:, None] * (rows + top)[None]
        starts, ends = (left + first - lean).min(axis=1), (left + last + 1 - lean).max(axis=1)
        pieces.append(_Piece([int(label)], int(top), int(top + height), starts, ends))
    return pieces


def _digits(pieces: list[_Piece], line: int) -> list[_Piece]:
    """Group pieces into digits, of which there is at least one."""
    digits = _join([piece for piece in pieces if piece.height >= FULL * line], line)
    parts = _stack([piece for piece in pieces if piece.height < FULL * line], digits, line)
    digits = _join(digits + [part for part in parts if part.height >= TALL * line], line)
    for part in (part for part in parts if part.height < TALL * line):
        is_speck = max(part.height, part.width) < SPECK * line
        rooms = [part.room_beside(digit) for digit in digits]
        beneath = sum(room < 0 for room in rooms)
        if part.height < UNDERLINE * line and part.width > line and beneath > 1:
            continue
        nearest = int(np.argmin(rooms))
        if rooms[nearest] <= (APART if is_speck else BELONGS) * line:
            digits[nearest] = digits[nearest].joined(part)
    return digits


def _stack(parts: list[_Piece], digits: list[_Piece], line: int) -> list[_Piece]:
    """Join parts of which one stands above the other, away from every digit, where both are a digit's height."""
    parts = sorted(parts, key=lambda part: part.top)
    upper = 0
    while upper < len(parts):
        piece = parts[upper]
        for lower in range(upper + 1, len(parts)):
            other = parts[lower]
            if _is_above(piece, other, line) and not any(
                each.room_beside(digit) < APART * line for each in (piece, other) for digit in digits
            ):
                parts[upper] = piece.joined(other)
                del parts[lower]
                break
        else:
            upper += 1
    return parts


def _is_above(upper: _Piece, lower: _Piece, line: int) -> bool:
    upright = len(SHEARS) // 2
    shared = min(upper.ends[upright], lower.ends[upright]) - max(upper.starts[upright], lower.starts[upright])
    narrower = min(piece.ends[upright] - piece.starts[upright] for piece in (upper, lower))
    return bool(
        shared > 0.5 * narrower
        and lower.top - upper.bottom <= STACKED * line
        and lower.bottom - upper.top >= TALL * line
    )


def _join(pieces: list[_Piece], line: int) -> list[_Piece]:
    """Join pieces that no slanted line parts, until none are left."""
    pieces = sorted(pieces, key=lambda piece: piece.centre)
    at = 0
    while at + 1 < len(pieces):
        piece, following = pieces[at], pieces[at + 1]
        low, high = sorted((piece.height, following.height))
        needed = (LOW_APART if low < LOW * high else APART) * line
        if piece.room_beside(following) < needed:
            pieces[at : at + 2] = [piece.joined(following)]
            at = max(at - 1, 0)
        else:
            at += 1
    return pieces


def _whole(ink: np.ndarray, touching: bool) -> Segment:
    left, top, width, height = cv2.boundingRect(np.asarray(ink >= INK, np.uint8))
    return Segment(ink[top : top + height, left : left + width], left, top, touching)


def _cut(ink: np.ndarray, labels: np.ndarray, digit: _Piece, line: int) -> Segment:
    own = np.isin(labels, digit.labels).astype(np.uint8)
    own = np.asarray(cv2.dilate(own, np.ones((3, 3), np.uint8)), np.uint8)  # with the soft edge of its strokes
    left, top, width, height = cv2.boundingRect(np.asarray(own * ink, np.uint8))
    box = np.s_[top : top + height, left : left + width]
    return Segment(
        np.asarray(ink[box] * own[box]), left, top, digit.width > WIDE_BESIDE * max(FULL * line, digit.height)
    )
