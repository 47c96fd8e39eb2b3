"""A line of ink → every piece, union of pieces and part of a piece that could be one digit of a number.

Over-segmentation, the first half of what LeCun et al. 1998, section V, call heuristic over-segmentation; the second
half, the best path through the candidates by what the network makes of each, is mnist/model/paths.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from mnist.vision.ink import INK, SOLID
from mnist.vision.leftovers import Leftover, Reason
from mnist.vision.marks import FLAT, NEAR, TALL, Mark, is_crumb, is_underline, leftover, mark_of
from mnist.vision.pieces import SHEARS, Piece, cut_where_thin, find_pieces, measured, usual_shear

MAX_CANDIDATES = 256  # frames for the network
MAX_UNION = 5  # neighbours that make one digit
# The shares below are of the line's height, unless they say otherwise.
WIDE_ALONE = 1.0  # times its height, upright: a piece alone is cut from that width on …
WIDE_BESIDE = 0.85  # … and beside others from that share of the line's height
WIDEST = 1.7  # a union of pieces is no wider
OVERLAP = 0.04  # two pieces that overlap by more than that at every slant share a digit …
OVERLAP_TALL = 0.25  # … or touch one another without meeting, where both are as high as digits
STACKED = 0.2  # of the height of both: two pieces, one above the other, with no more room between them
FARTHEST = 0.55  # … and never more than that
# Costs in nats, beside the network's −log p.
UNION_COST = 9.0  # for each line height of room beyond NEAR that a union spans …
UNION_COST_TALL = 18.0  # … between two pieces of a digit's height
OVERLAP_COST = 18.0  # for each line height by which two neighbours overlap and still are two digits
ANY_CUT_COST = 2.0  # that two digits touch …
CUT_COST = 0.7  # … and for each stroke width of ink that is cut through
SMALL_COST = 30.0  # times the square of what a digit is lower than TALL


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Neighbouring pieces that may be one digit."""

    first: int  # place of its first piece in the line …
    end: int  # … and of the piece after its last
    ink: np.ndarray  # (h, w) uint8, 0 = paper, 255 = ink; ink touches all four edges
    left: int  # of the box, in the picture's pixels; its size is that of `ink`
    top: int
    cost: float  # nats, ≥ 0: how unlikely the shape alone makes it
    height: float  # of the box, as a share of the line's height


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """Pieces from left to right, and what may become of them: a path leads from 0 to `pieces`."""

    pieces: int
    candidates: tuple[Candidate, ...]
    marks: tuple[Mark, ...]
    partings: tuple[float, ...]  # (pieces + 1,) nats that it costs to end a digit before a piece
    leftovers: tuple[Leftover, ...]  # pieces that are no part of the line, whatever the network says

    @property
    def is_one_digit(self) -> bool:
        """Whether there is only one way to read it: all of the ink as one digit."""
        return len(self.candidates) == 1 and self.pieces == 1 and not self.marks

    def is_cut(self, place: int) -> bool:
        """Whether connected ink is cut before a piece, or two pieces are parted that overlap as much."""
        return self.partings[place] >= ANY_CUT_COST


def find_line(ink: np.ndarray) -> Line:
    """Candidates for the digits of a picture.

    ink: (H, W) uint8, 0 = paper, 255 = ink, as `find_ink` returns it. A drawing in one piece that is not wide gives
    one candidate: all ink, so that it reads as it does without this function.
    """
    left, top, width, height = cv2.boundingRect(ink)  # most of a canvas is paper
    if not width:
        return Line(0, (), (), (0.0,), ())
    crop = ink[top : top + height, left : left + width]
    if _is_one_narrow_piece(crop):
        return Line(1, (_whole(ink),), (), (0.0, 0.0), ())
    pieces = find_pieces(crop)
    if not pieces:
        return Line(1, (_whole(ink),), (), (0.0, 0.0), ())
    pieces = [Piece(p.mask, p.left + left, p.top + top, *_moved(p.starts, p.ends, left, top), p.cut) for p in pieces]
    return _line_of(ink, pieces)


def _moved(starts: np.ndarray, ends: np.ndarray, left: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    return starts + left - SHEARS * top, ends + left - SHEARS * top


def _is_one_narrow_piece(ink: np.ndarray) -> bool:
    solid = np.asarray(ink >= SOLID, np.uint8)
    if cv2.connectedComponents(solid, connectivity=8)[0] != 2:
        return False
    _, _, width, height = cv2.boundingRect(solid)
    return bool(width <= WIDE_ALONE * height)


def _line_of(ink: np.ndarray, pieces: list[Piece]) -> Line:
    height = _line_height(pieces)
    digits = [piece for piece in pieces if piece.height >= TALL * height]
    shear = usual_shear(digits)
    leftovers = [piece for piece in pieces if is_crumb(piece, digits, height)]
    found = [leftover(Reason.CRUMB, piece) for piece in leftovers]
    under = [piece for piece in pieces if is_underline(piece, digits, height)]
    found += [leftover(Reason.UNDERLINE, piece) for piece in under]
    pieces = [piece for piece in pieces if not any(piece is other for other in leftovers + under)]
    atoms = _atoms(pieces, height, shear)
    marks = [mark for at, atom in enumerate(atoms) if (mark := mark_of(at, atoms, height)) is not None]
    partings = [0.0, *(_parting(a, b, height) for a, b in pairwise(atoms)), 0.0]
    candidates = _candidates(ink, atoms, height)
    if len(candidates) == MAX_CANDIDATES:  # a page full of writing: some unions were not looked at
        found.append(Leftover(Reason.UNEXPLAINED, 0, 0, ink.shape[1], ink.shape[0]))
    return Line(len(atoms), tuple(candidates), tuple(marks), tuple(partings), tuple(found))


def _line_height(pieces: list[Piece]) -> float:
    tallest = max(piece.height for piece in pieces)
    high = [piece.height for piece in pieces if piece.height >= TALL * tallest]
    return float(np.median(high)) if len(high) > 2 else float(tallest)


def _atoms(pieces: list[Piece], line: float, shear: int) -> list[Piece]:
    """Left to right: pieces that share a digit joined, wide ones cut."""
    joined = sorted(pieces, key=lambda piece: piece.centre(shear))
    at = 0
    while at + 1 < len(joined):
        if _share_a_digit(joined[at], joined[at + 1], line):
            joined[at : at + 2] = [_union(joined[at : at + 2])]
            at = max(at - 1, 0)
        else:
            at += 1
    atoms: list[Piece] = []
    is_alone = len([piece for piece in joined if piece.height >= TALL * line]) == 1
    for piece in joined:
        width = piece.upright_width
        is_wide = width > WIDE_ALONE * piece.height if is_alone else width > WIDE_BESIDE * line
        is_wide &= piece.height > FLAT * line
        atoms += cut_where_thin(piece, min(line, piece.height), shear) if is_wide else [piece]
    return atoms


def _share_a_digit(left: Piece, right: Piece, line: float) -> bool:
    """Whether no slanted line parts two pieces, or one stands right above the other."""
    upper, lower = sorted((left, right), key=lambda piece: piece.top)
    shared = min(left.right, right.right) - max(left.left, right.left)
    gap = lower.top - upper.bottom
    if 0 <= gap <= STACKED * (lower.bottom - upper.top) and shared > 0.5 * min(left.width, right.width):
        return True
    overlap = -max(left.room_before(right), right.room_before(left)) / line
    both_tall = min(left.height, right.height) >= 0.7 * line
    narrower = min(left.upright_width, right.upright_width) / line
    return overlap > (min(OVERLAP_TALL, 0.5 * narrower) if both_tall else OVERLAP)


def _union(pieces: list[Piece]) -> Piece:
    left, top = min(piece.left for piece in pieces), min(piece.top for piece in pieces)
    right, bottom = max(piece.right for piece in pieces), max(piece.bottom for piece in pieces)
    mask = np.zeros((bottom - top, right - left), bool)
    for piece in pieces:
        y, x = piece.top - top, piece.left - left
        mask[y : y + piece.height, x : x + piece.width] |= piece.mask
    return measured(mask, left, top, pieces[0].cut)


def _parting(left: Piece, right: Piece, line: float) -> float:
    if right.cut:
        return ANY_CUT_COST + CUT_COST * right.cut
    overlap = -left.room_before(right) / line - 0.03
    return OVERLAP_COST * max(overlap, 0.0)


def _candidates(ink: np.ndarray, atoms: list[Piece], line: float) -> list[Candidate]:
    owner = np.full(ink.shape, -1, np.int16)
    for at, atom in enumerate(atoms):
        owner[atom.top : atom.bottom, atom.left : atom.right][atom.mask] = at
    _, soft = cv2.connectedComponents(np.asarray(ink >= INK, np.uint8), connectivity=8)
    met = [int(soft[atom.top, atom.left + int(atom.mask[0].argmax())]) for atom in atoms]
    lengths = range(1, min(MAX_UNION, len(atoms)) + 1)
    spans = [(first, first + length) for length in lengths for first in range(len(atoms) - length + 1)]
    if len(atoms) > MAX_UNION:
        spans.append((0, len(atoms)))  # one digit in many bits, by a pen that hardly wrote
    candidates: list[Candidate] = []
    for first, end in spans:
        parts = atoms[first:end]
        size = line if len(parts) <= MAX_UNION else _height(parts)  # of bits says nothing about the digit
        cost = _union_cost(parts, met[first:end], size)
        if cost is None or len(candidates) == MAX_CANDIDATES:
            continue
        candidate = _candidate(ink, owner, parts, first, cost, line)
        if candidate is not None:
            candidates.append(candidate)
    return candidates


def _union_cost(parts: list[Piece], met: list[int], line: float) -> float | None:
    """None where the pieces cannot be one digit. met: for each piece, which other pieces its soft edge meets."""
    width = (np.max([part.ends for part in parts], axis=0) - np.min([part.starts for part in parts], axis=0)).min()
    height = _height(parts)
    if len(parts) > 1 and width > WIDEST * max(line, height):
        return None
    cost = SMALL_COST * max(0.0, TALL - height / line) ** 2
    for (left, right), (one, other) in zip(pairwise(parts), pairwise(met), strict=True):
        room = 0.0 if one == other else left.room_before(right) / line
        if room > FARTHEST:
            return None
        are_tall = min(left.height, right.height) >= 0.7 * line
        cost += (UNION_COST_TALL if are_tall else UNION_COST) * max(0.0, room - NEAR)
    return cost


def _height(parts: list[Piece]) -> int:
    return max(part.bottom for part in parts) - min(part.top for part in parts)


def _candidate(
    ink: np.ndarray, owner: np.ndarray, parts: list[Piece], first: int, cost: float, line: float
) -> Candidate | None:
    top, left = (max(min(getattr(part, side) for part in parts) - 1, 0) for side in ("top", "left"))
    bottom, right = (max(getattr(part, side) for part in parts) + 1 for side in ("bottom", "right"))
    box = np.s_[top:bottom, left:right]
    inside = owner[box]
    is_own = (inside >= first) & (inside < first + len(parts))
    # With the soft edge of its strokes, where that is not a neighbour's.
    near = cv2.dilate(is_own.view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    own = np.asarray(ink[box] * (near & ((inside < 0) | is_own)), np.uint8)
    x, y, width, height = cv2.boundingRect(np.asarray(own >= INK, np.uint8))
    if not width:
        return None
    crop = np.ascontiguousarray(own[y : y + height, x : x + width])
    return Candidate(first, first + len(parts), crop, left + x, top + y, cost, height / line)


def _whole(ink: np.ndarray) -> Candidate:
    left, top, width, height = cv2.boundingRect(np.asarray(ink >= INK, np.uint8))
    return Candidate(0, 1, ink[top : top + height, left : left + width], left, top, 0.0, 1.0)
