"""What of a photo's dark pieces was written, and what each of the others is."""

from __future__ import annotations

import cv2
import numpy as np

from mnist.vision.leftovers import Leftover, Reason
from mnist.vision.sheet import level_of

FAINTEST = 0.45  # of the drawing's own density: paler than that is a shadow that touches it
NEAR = 0.35  # of the main piece's size: a piece of ink that close belongs to the same drawing
MIN_PART = 0.015  # of the main piece's weight: less is a speck …
MIN_PART_OF_STRIP = 0.005  # … but on a strip, whose digits are large, a point
SMALL = 0.2  # of the main piece's size: what is smaller and not near is a crumb
MOST_PARTS = 200  # pieces that are looked at, the heaviest; more are a pattern, and each is compared with each
BLOB = 2.5  # times its thickness squared: a piece with less area is a shadow or a coin, not a stroke …
THICKER = 2.2  # … unless it is no thicker than so many strokes of the main piece: then it is a point
PALER = 0.6  # of the main piece's mean density: a paler piece is what is left of a shadow
STRIP_RATIO = 1.6  # times as wide as high: the digits fill a picture like that from top to bottom
BAND = 0.1  # of the picture's side: what touches the edge and stays within that lies along it


def written_pieces(
    mask: np.ndarray, density: np.ndarray, margin: np.ndarray, high: float
) -> tuple[np.ndarray, list[Leftover]]:
    """Keep whatever may have been written: (h, w) uint8, 1 = kept, and what each other piece is.

    mask: (h, w) uint8, 1 = dark; density: (h, w) uint8, how dark; margin: (h, w) uint8, not 0 where ink leaves the
    sheet or the picture; high: the density that ink reaches somewhere. What never reaches it is the paper's texture.
    """
    joined = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    if count == 1 or joined.all():  # nothing, or nothing else
        return mask, []
    inked = np.flatnonzero(joined)
    piece = np.asarray(labels, np.intp).ravel()[inked]
    dark = density.ravel()[inked]
    peak, thickness = np.zeros(count), np.zeros(count)
    np.maximum.at(peak, piece, dark)
    # Beyond the picture's edge there is no ink either: without that a stroke along the edge would count twice as thick.
    framed = cv2.copyMakeBorder(joined, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1]
    np.maximum.at(thickness, piece, 2 * depth.ravel()[inked])
    weight = np.bincount(piece, weights=dark, minlength=count).astype(np.float64)
    weight[peak < high] = 0
    touches = np.zeros(count, bool)
    touches[np.unique(piece[margin.ravel()[inked] > 0])] = True
    is_blob = stats[:, cv2.CC_STAT_AREA] < BLOB * thickness**2
    score = weight * np.where(is_blob, 0.2, 1) * np.where(touches, 0.1, 1)  # a fold, a finger, the edge of the sheet
    main = int(score.argmax())
    if score[main] == 0:
        return np.zeros_like(mask), []
    is_blob &= thickness > THICKER * thickness[main]
    chosen = np.zeros(count, np.uint8)
    chosen[main] = 1
    left_over: list[Leftover] = []
    boxes = np.asarray(stats[:, :4], int)
    order = [int(i) for i in np.argsort(-weight, kind="stable") if i not in (0, main) and weight[i] > 0]
    kept = [main]
    paleness = weight / np.maximum(stats[:, cv2.CC_STAT_AREA], 1)
    for i in order[:MOST_PARTS]:
        reason = _reason(i, main, kept, boxes, mask.shape, bool(touches[i]))
        if weight[i] < _least_part(mask.shape) * weight[main]:
            reason = reason or Reason.CRUMB
        elif is_blob[i] or paleness[i] < PALER * paleness[main]:
            reason = Reason.SHADOW
        if reason is None:
            chosen[i] = 1
            kept.append(i)
        else:
            left_over.append(Leftover(reason, *(int(value) for value in boxes[i])))
    if len(order) > MOST_PARTS:
        left_over.append(Leftover(Reason.UNEXPLAINED, 0, 0, mask.shape[1], mask.shape[0]))
    return chosen[labels] & mask, left_over


def _reason(
    i: int, main: int, kept: list[int], boxes: np.ndarray, shape: tuple[int, ...], touches: bool
) -> Reason | None:
    """Why piece i is none of what was written, by its place and size; None where it may be some of it."""
    left, top, width, height = (int(value) for value in boxes[i])
    size, tall = int(boxes[main, 2:].max()), int(boxes[main, 3])
    gaps = [_gap(boxes[i], boxes[other]) for other in kept]
    is_near = min(gaps) <= NEAR * size
    if touches:
        overlap = min(top + height, int(boxes[main, 1]) + tall) - max(top, int(boxes[main, 1]))
        tallest = shape[0] if _is_strip(shape) else 1.7 * tall
        on_line = 0.4 * tall <= height <= tallest and overlap > 0.3 * min(height, tall)
        along_x = width <= max(3, BAND * shape[1]) and (left <= 2 or left + width >= shape[1] - 2)
        along_y = height <= max(3, BAND * shape[0]) and (top <= 2 or top + height >= shape[0] - 2)
        is_flat = along_y or (along_x and not on_line) or (along_x and height > 0.6 * shape[0] and width < 0.1 * height)
        return None if (on_line or is_near) and not is_flat else Reason.EDGE
    return Reason.CRUMB if max(width, height) < SMALL * size and not is_near else None


def _is_strip(shape: tuple[int, ...]) -> bool:
    return shape[1] >= STRIP_RATIO * shape[0]


def _least_part(shape: tuple[int, ...]) -> float:
    return MIN_PART_OF_STRIP if _is_strip(shape) else MIN_PART


def _gap(a: np.ndarray, b: np.ndarray) -> int:
    gap_x = max(int(a[0] - b[0] - b[2]), int(b[0] - a[0] - a[2]), 0)
    gap_y = max(int(a[1] - b[1] - b[3]), int(b[1] - a[1] - a[3]), 0)
    return max(gap_x, gap_y)


def without_shadow(kept: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Cut off a shadow's edge that touches the drawing: it is much paler than the ink."""
    if not kept.any():
        return kept
    left, top, width, height = cv2.boundingRect(kept)
    box = np.s_[top : top + height, left : left + width]
    strong = np.asarray(density[box] >= FAINTEST * level_of(density, 0.85, kept), np.uint8)
    strong &= kept[box]
    joined = np.asarray(cv2.morphologyEx(strong, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    is_part = stats[:, cv2.CC_STAT_AREA] >= _least_part(kept.shape) * stats[1:, cv2.CC_STAT_AREA].max(initial=0)
    is_part[0] = False
    cleared = np.zeros_like(kept)
    cleared[box] = is_part[labels] & (strong > 0)
    return cleared
