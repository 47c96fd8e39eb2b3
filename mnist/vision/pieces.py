"""Connected pieces of ink, and cuts of those that are wider than a digit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from mnist.vision.ink import SOLID

MAX_PIECES = 96  # the largest; the rest of a page full of noise costs no time
SHEARS = np.linspace(-0.6, 0.6, 13)  # slants at which a straight line may pass between two digits
MAX_CUTS = 9  # of one piece: ten digits that touch
CUT_STROKES = 3.2  # stroke widths of ink on a cut: more are the body of a digit
THIN = 1.7  # stroke widths of ink in a column: one stroke that leads across
RISE = 0.8  # stroke widths by which the ink on both sides of a cut must exceed that on it
NOTCH = 0.15  # of the line's height: less high by that, a column is a notch between two round digits …
NOTCH_COST = 2.0  # … and a cut there costs no more than so many stroke widths, whose sides lie in it lengthwise
CUT_APART = 0.16  # of the line's height: two cuts, or a cut and an end, leave at least a 1 between them


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Connected ink, or what a cut leaves of it."""

    mask: np.ndarray  # (h, w) bool; ink touches all four edges
    left: int
    top: int
    starts: np.ndarray  # (len(SHEARS),) where the piece begins, in pixels, when the picture is sheared upright
    ends: np.ndarray  # (len(SHEARS),) where it ends
    cut: float = 0.0  # stroke widths of ink on the cut that parts it from the piece before it; 0 where there is none

    @property
    def height(self) -> int:
        return int(self.mask.shape[0])

    @property
    def width(self) -> int:
        return int(self.mask.shape[1])

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def upright_width(self) -> float:
        """Width in pixels when the piece's own slant is taken out."""
        return float((self.ends - self.starts).min())

    def centre(self, shear: int) -> float:
        return float(self.starts[shear] + self.ends[shear]) / 2

    def room_before(self, other: Piece) -> float:
        """Pixels from this piece to one on its right at the slant that parts them best; negative where they overlap."""
        return float((other.starts - self.ends).max())


def find_pieces(ink: np.ndarray) -> list[Piece]:
    """Every connected piece but single pixels, the largest first, at most MAX_PIECES.

    ink: (H, W) uint8, 0 = paper, 255 = ink.
    """
    solid = np.asarray(ink >= SOLID, np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    largest = np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[:MAX_PIECES] + 1
    pieces: list[Piece] = []
    for label in largest:
        left, top, width, height, area = (int(value) for value in stats[label])
        if area < 2 and pieces:
            break
        pieces.append(measured(labels[top : top + height, left : left + width] == label, left, top))
    return pieces


def measured(mask: np.ndarray, left: int, top: int, cut: float = 0.0) -> Piece:
    """A piece from its (h, w) bool mask, whose ink touches all four edges, and its place."""
    rows = np.flatnonzero(mask.any(axis=1))
    first, last = mask.argmax(axis=1)[rows], mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)[rows]
    lean = SHEARS[:, None] * (rows + top)[None]
    return Piece(mask, left, top, (left + first - lean).min(axis=1), (left + last + 1 - lean).max(axis=1), cut)


def usual_shear(pieces: list[Piece]) -> int:
    """Index into SHEARS at which the pieces are narrowest together: the slant of the hand."""
    widths = np.stack([piece.ends - piece.starts for piece in pieces]).sum(axis=0)
    near = widths + 1e-3 * widths.max() * np.abs(SHEARS)  # of equals the most upright
    return int(near.argmin())


def cut_where_thin(piece: Piece, line: float, shear: int) -> list[Piece]:
    """Cut a wide piece along straight slanted lines where two digits may touch; left to right, itself if nowhere.

    line: height of the digits around it, in pixels. Each part but the first says how much ink its cut went through.
    """
    columns, profile, extent = _profiles(piece, shear)
    stroke = stroke_width(piece.mask)
    apart = max(2, round(CUT_APART * line))
    kernel = np.ones(3) / 3 if line > 30 else np.ones(1)
    smooth = np.convolve(profile, kernel, mode="same")
    costs = {place: max(smooth[place] / stroke, 0.3) for place in _valleys(smooth, stroke, apart)}
    for place in _notches(np.convolve(extent, kernel, mode="same"), NOTCH * line):
        if all(abs(place - other) > apart // 2 for other in costs):
            costs[place] = min(smooth[place] / stroke, NOTCH_COST)
    places = sorted(place for place in costs if apart <= place <= len(profile) - 1 - apart)[:MAX_CUTS]
    parts: list[Piece] = []
    for begin, end in pairwise([0, *places, len(profile)]):
        part = piece.mask & (columns >= begin) & (columns < end)
        left, top, width, height = cv2.boundingRect(part.view(np.uint8))
        if width:
            mask = part[top : top + height, left : left + width]
            parts.append(
                measured(mask, piece.left + left, piece.top + top, float(costs[begin]) if parts else piece.cut)
            )
    return parts


def _valleys(profile: np.ndarray, stroke: float, apart: int) -> list[int]:
    """Where little ink lies between more on both sides: the middle of each such stretch, and the ends of a long one."""
    places: list[int] = []
    for level in (THIN * stroke, CUT_STROKES * stroke):
        low = np.flatnonzero(np.diff(np.concatenate(([0], profile <= level, [0]))))
        for begin, end in zip(low[::2].tolist(), low[1::2].tolist(), strict=True):
            if begin == 0 or end == len(profile) or any(begin <= place < end for place in places):
                continue
            lowest = np.flatnonzero(profile[begin:end] <= profile[begin:end].min() + 0.2 * stroke) + begin
            walls = min(profile[:begin].max(), profile[end:].max())
            if walls < RISE * stroke + profile[lowest[0]]:
                continue
            places.append(int(lowest[len(lowest) // 2]))
            if end - begin > 2 * apart:  # a bar, of which either digit may be
                places += [begin + 1, end - 2]
    return sorted(places)


def _notches(extent: np.ndarray, depth: float) -> list[int]:
    """Where the ink is less high than on both sides by `depth` pixels: round digits that touch in a point."""
    before, after = np.maximum.accumulate(extent), np.maximum.accumulate(extent[::-1])[::-1]
    is_low = np.minimum(before, after) - extent >= depth
    ends = np.flatnonzero(np.diff(np.concatenate(([0], is_low, [0]))))
    return [int(begin + extent[begin:end].argmin()) for begin, end in zip(ends[::2], ends[1::2], strict=True)]


def stroke_width(mask: np.ndarray) -> float:
    """Usual width of the strokes of an (h, w) bool mask, in pixels: area over half of the outline's length."""
    framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    edge = cv2.countNonZero(framed) - cv2.countNonZero(cv2.erode(framed, np.ones((3, 3), np.uint8)))
    return max(1.0, 2 * cv2.countNonZero(framed) / max(edge, 1))


def _profiles(piece: Piece, shear: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sheared column of every pixel, (h, w) int; how much ink each such column has, and from where to where."""
    rows = np.arange(piece.height)[:, None] + piece.top
    columns = np.floor(np.arange(piece.width)[None] + piece.left - SHEARS[shear] * rows).astype(int)
    columns -= int(columns[piece.mask].min())
    inked = columns[piece.mask]
    profile = np.bincount(inked)
    heights = np.broadcast_to(np.arange(piece.height)[:, None], piece.mask.shape)[piece.mask]
    first, last = np.full(len(profile), piece.height), np.zeros(len(profile), int)
    np.minimum.at(first, inked, heights)
    np.maximum.at(last, inked, heights)
    return columns, profile, np.maximum(last - first + 1, 0)
