"""Crumbs and lines along the picture's edge: what a scanner or a crop leaves beside the drawing."""

from __future__ import annotations

import cv2
import numpy as np

from mnist.vision.leftovers import Leftover, Reason

BAND = 0.1  # of the picture's side: a piece within that of the edge lies along it
AWAY = 0.08  # of the drawing's size: with less room it may be a stroke of the drawing that the crop has cut
ALONG = 0.8  # of the picture's side: a line that long comes from a scanner, however near it is
MUCH = 3.0  # times the area of what lies along the edge has the drawing itself


def edge_pieces(stats: np.ndarray, shape: tuple[int, ...]) -> list[int]:
    """Labels of the pieces that lie along an edge of the picture and away from everything else.

    stats: (N, 5) of cv2.connectedComponentsWithStats, the paper first; shape: of the picture.
    """
    height, width = shape[:2]
    pieces = np.asarray(stats[1:], int)
    left, top, area = pieces[:, cv2.CC_STAT_LEFT], pieces[:, cv2.CC_STAT_TOP], pieces[:, cv2.CC_STAT_AREA]
    right, bottom = left + pieces[:, cv2.CC_STAT_WIDTH], top + pieces[:, cv2.CC_STAT_HEIGHT]
    band_x, band_y = max(2.0, BAND * width), max(2.0, BAND * height)
    upright = ((left <= 1) & (right <= band_x)) | ((right >= width - 1) & (left >= width - band_x))
    level = ((top <= 1) & (bottom <= band_y)) | ((bottom >= height - 1) & (top >= height - band_y))
    main = ~(upright | level)
    if not main.any():
        return []
    largest = int(np.flatnonzero(main)[area[main].argmax()])
    size = max(right[largest] - left[largest], bottom[largest] - top[largest])
    found = []
    for piece in np.flatnonzero(upright | level).tolist():
        if area[piece] * MUCH > area[main].max() and not _is_line(piece, upright, bottom - top, right - left, shape):
            continue
        gap_x = np.maximum(left[main] - right[piece], left[piece] - right[main])
        gap_y = np.maximum(top[main] - bottom[piece], top[piece] - bottom[main])
        is_away = np.maximum(gap_x, gap_y).min() > AWAY * size
        if is_away or _is_line(piece, upright, bottom - top, right - left, shape):
            found.append(int(piece) + 1)
    return found


def _is_line(piece: int, upright: np.ndarray, heights: np.ndarray, widths: np.ndarray, shape: tuple[int, ...]) -> bool:
    return bool(heights[piece] >= ALONG * shape[0] if upright[piece] else widths[piece] >= ALONG * shape[1])


def erase_edges(ink: np.ndarray, solid: int) -> tuple[np.ndarray, list[Leftover]]:
    """Take what lies along the picture's edge out of ink.

    ink: (H, W) uint8, 0 = paper; solid: what is darker than paper's noise.
    Returns the ink without it, itself where there is nothing, and what was found.
    """
    border = (ink[0], ink[-1], ink[:, 0], ink[:, -1])
    if not any(side.max() >= solid for side in border):
        return ink, []
    marks = (ink >= solid).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(marks, connectivity=8)
    pieces = edge_pieces(stats, ink.shape)
    if not pieces:
        return ink, []
    gone = cv2.dilate(np.isin(labels, pieces).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
    erased = ink.copy()
    erased[gone & ((labels == 0) | np.isin(labels, pieces))] = 0
    return erased, [Leftover(Reason.EDGE, *(int(value) for value in stats[piece][:4])) for piece in pieces]
