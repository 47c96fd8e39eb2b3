"""Small pieces on a line that are no digits: points, dashes, underlines and crumbs, by shape and place."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mnist.vision.leftovers import Leftover, Reason
from mnist.vision.pieces import Piece

# The shares are of the line's height.
TALL = 0.5  # a piece at least that high is no mark
NEAR = 0.06  # parts of one digit usually have no more room than that between them
FLAT = 0.3  # a piece lower than that, and wider than high, may be a dash or an underline
SPECK = 0.08  # a piece smaller than that both ways, away from every digit, is a crumb
POINT = 0.26  # a piece smaller than that both ways may be a point
TOUCH = 0.1  # a dash after the last digit may begin before that ends
MARK_COST = 0.3  # that a small piece is a mark, not a part of a digit


@dataclass(frozen=True, slots=True)
class Mark:
    """A piece that may be something else than a digit."""

    at: int  # place in the line
    leftover: Leftover
    cost: float


def mark_of(at: int, atoms: list[Piece], line: float) -> Mark | None:
    """What a small piece may be, when it is no part of a digit: by its shape and its place on the line."""
    piece = atoms[at]
    tall = [(place, atom) for place, atom in enumerate(atoms) if atom.height >= TALL * line]
    rooms = [other.room_before(piece) for other in atoms[max(at - 1, 0) : at]]
    rooms += [piece.room_before(other) for other in atoms[at + 1 : at + 2]]
    nearest = min((atom for _, atom in tall), key=lambda atom: abs(atom.left + atom.right - piece.left - piece.right))
    centre = (piece.top + piece.height / 2 - nearest.top) / nearest.height
    is_first, is_last = at < tall[0][0], at > tall[-1][0]
    room = min(rooms, default=0)
    if is_last and len(tall) > 1 and room > -TOUCH * line and 0.25 < centre < 0.95 and _are_strokes(piece, line):
        return Mark(at, leftover(Reason.CLOSING_DASH, piece), MARK_COST)
    if room < NEAR * line:  # a part of the digit beside it
        return None
    if max(piece.height, piece.width) <= POINT * line or (piece.height <= 0.45 * line and piece.width <= 0.2 * line):
        if centre > 0.6:  # low: a point, or a comma
            return Mark(at, leftover(Reason.FULL_STOP if is_last else Reason.POINT, piece), MARK_COST)
        if max(piece.height, piece.width) > 0.15 * line and piece.width > 1.5 * piece.height and centre > 0.2:
            return Mark(at, leftover(Reason.CLOSING_DASH if is_last else Reason.MINUS, piece), MARK_COST)
        if max(piece.height, piece.width) <= 0.15 * line and centre > 0.35 and not is_last:  # · as some write it
            return Mark(at, leftover(Reason.POINT, piece), MARK_COST)
        if max(piece.height, piece.width) <= 0.15 * line:
            return Mark(at, leftover(Reason.UNEXPLAINED, piece), 2 * MARK_COST)
        return None
    if piece.height <= FLAT * line and piece.width >= 1.5 * piece.height and 0.15 < centre < 0.95:
        return Mark(at, leftover(Reason.CLOSING_DASH if is_last and not is_first else Reason.MINUS, piece), MARK_COST)
    return None


def _are_strokes(piece: Piece, line: float) -> bool:
    """Whether a piece is a level stroke or a dot, or two, one above the other: what ends an amount."""
    if piece.height > TALL * line:
        return False
    stats = cv2.connectedComponentsWithStats(piece.mask.view(np.uint8), connectivity=8)[2][1:]
    widths, heights = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    is_stroke = (widths >= 1.5 * heights) & (widths >= 0.15 * line)
    is_dot = (len(stats) == 2) & (np.maximum(widths, heights) <= 0.15 * line)
    return len(stats) <= 2 and bool((is_stroke | is_dot).all())


def is_crumb(piece: Piece, digits: list[Piece], line: float) -> bool:
    if max(piece.height, piece.width) >= SPECK * line:
        return False
    return all(max(digit.room_before(piece), piece.room_before(digit)) > -0.03 * line for digit in digits)


def is_underline(piece: Piece, digits: list[Piece], line: float) -> bool:
    """A flat piece under (or over) everything: a line below two digits, or a long one below one."""
    if piece.height > FLAT * line or piece.width < line:
        return False
    beside = [
        digit for digit in digits if digit is not piece and digit.room_before(piece) < 0 > piece.room_before(digit)
    ]
    beneath = [digit for digit in beside if piece.top + piece.height / 2 > digit.top + 0.75 * digit.height]
    return len(beneath) > 1 and len(beneath) == len(beside)


def leftover(reason: Reason, piece: Piece) -> Leftover:
    return Leftover(reason, piece.left, piece.top, piece.width, piece.height)
