"""Paper under light or flat paper, and where the sheet ends on the table that it lies on."""

from __future__ import annotations

import cv2
import numpy as np

SMALLEST = 64  # pixels, the longer side: smaller pictures have no room for what makes a photo
GRAIN = 4  # of 255: flat paper, saved as JPEG, strays no further
LINE = 24  # of 255: what crosses the edge darker than that is a rule, or a stroke that leaves the picture
UNEVEN_EDGE = 0.3  # of the edge's pixels: more grain is a photo's
MAX_CROSSINGS = 6  # strokes that leave the picture; more are rules
UNEVEN_PAPER = 0.25  # of all pixels between paper and ink: more than the soft edges of strokes
SHEET_SHARE = 0.2  # of the picture: a smaller sheet is not looked for on a flat table
COARSE = 128  # longer side for everything about light: strokes are thin there
SHARP_STEP = 0.8  # of the light inside is left outside: a table begins within a few cells, a vignette does not


def is_photo(distance: np.ndarray) -> bool:
    """Whether a picture has paper with light and grain on it, or rules, or a table around it; a drawing has flat paper.

    distance: (H, W) uint8, how far each pixel's colour is from the usual colour of the picture's edge.
    """
    if max(distance.shape) < SMALLEST:
        return False  # a scaled-down digit, such as MNIST's own
    edge = np.concatenate([distance[0], distance[-1], distance[:, 0], distance[:, -1]])
    if np.count_nonzero(edge > GRAIN) > UNEVEN_EDGE * len(edge):
        return True
    marks = edge > LINE
    if marks.any() and np.count_nonzero(marks[1:] & ~marks[:-1]) > MAX_CROSSINGS:
        return True
    between = cv2.inRange(distance, GRAIN + 1, LINE)
    return cv2.countNonZero(between) > UNEVEN_PAPER * distance.size or _is_sheet_on_flat_table(distance)


def _is_sheet_on_flat_table(distance: np.ndarray) -> bool:
    """Whether what stands out is no stroke but a rectangle with something drawn on it."""
    marks = (distance > LINE).view(np.uint8)
    if cv2.countNonZero(marks) < SHEET_SHARE * marks.size:
        return False
    contours = cv2.findContours(marks, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    outline = max(contours, key=cv2.contourArea)
    area, hull = cv2.contourArea(outline), cv2.convexHull(outline)
    corners = cv2.approxPolyDP(hull, 0.02 * cv2.arcLength(hull, True), True)
    if len(corners) > 4 or area < 0.95 * cv2.contourArea(hull):
        return False
    # A thick 1 is a rectangle, too, but nothing is in it; a 0 with corners is mostly hole.
    inside = cv2.erode(cv2.drawContours(np.zeros_like(marks), [outline], -1, 1, cv2.FILLED), np.ones((7, 7), np.uint8))
    paper = level_of(distance, 0.5, inside)
    drawn = cv2.bitwise_and(inside, cv2.bitwise_not(cv2.inRange(distance, paper - LINE, paper + LINE)))
    return 12 < cv2.countNonZero(drawn) < 0.2 * area


def find_sheet(picture: np.ndarray) -> np.ndarray:
    """Where the sheet is: (h, w) uint8, 255 inside, 0 on the table around it; all 255 when no table shows."""
    height, width = picture.shape[:2]
    coarse = cv2.medianBlur(coarse_of(picture), 9)
    paper = _brighter_part(coarse)
    if paper is None:
        return np.full((height, width), 255, np.uint8)
    paper = cv2.erode(paper, np.ones((3, 3), np.uint8), borderValue=255)
    return cv2.resize(paper, (width, height), interpolation=cv2.INTER_NEAREST)


def _brighter_part(coarse: np.ndarray) -> np.ndarray | None:
    """The convex bright area of a coarse picture, 255 inside; None unless the rest of it is a table, not a shadow."""
    darkest = coarse.min(axis=2)  # paper is bright in every channel, wood and cloth seldom are
    level = cv2.threshold(darkest, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0]
    below = darkest[darkest <= level]
    # With a shadow on the sheet there are three levels: try to part both of the brighter ones from the table, too.
    lower = cv2.threshold(below, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0] if below.size else level
    for threshold in (level, lower):
        paper = _convex_part(coarse, darkest, (darkest > threshold).view(np.uint8))
        if paper is not None:
            return paper
    return None


def _convex_part(coarse: np.ndarray, darkest: np.ndarray, bright: np.ndarray) -> np.ndarray | None:
    contours = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)
    hull = cv2.convexHull(largest)
    area = cv2.contourArea(hull)
    if not 0.12 < area / bright.size < 0.97 or cv2.contourArea(largest) < 0.85 * area:
        return None
    paper = np.zeros_like(bright)
    cv2.fillConvexPoly(paper, hull, 255)
    if cv2.countNonZero(bright & paper) < 0.75 * cv2.countNonZero(paper):
        return None  # a thick chalk 0 is convex outside, but hollow
    # Both sides of the outline and what the light does from one to the other; outside far enough to see past a stroke.
    beside = np.ones((7, 7), np.uint8)
    inner = cv2.erode(paper, np.ones((3, 3), np.uint8)) - cv2.erode(paper, beside)
    outer = cv2.dilate(paper, np.ones((21, 21), np.uint8)) - cv2.dilate(paper, np.ones((3, 3), np.uint8))
    if not inner.any() or not outer.any():
        return None
    outline = cv2.morphologyEx(paper, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    steps = (cv2.erode(darkest, beside) / np.maximum(cv2.dilate(darkest, beside), 1.0))[outline]
    if np.median(steps) > SHARP_STEP:
        return None
    shares = (np.median(coarse[outer > 0], axis=0) + 1) / (np.median(coarse[inner > 0], axis=0) + 1)
    corners = int((paper[[0, 0, -1, -1], [0, -1, 0, -1]] == 0).sum())
    # A shadow dims all channels alike and seldom below half; a table is darker, coloured, or on every side.
    is_table = shares.max() < 0.42 or shares.max() - shares.min() > 0.12 or (corners == 4 and shares.max() < 0.85)
    return paper if is_table else None


def coarse_of(picture: np.ndarray) -> np.ndarray:
    scale = COARSE / max(picture.shape)
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def level_of(density: np.ndarray, share: float, where: np.ndarray | None = None) -> float:
    """The density that `share` of the pixels do not exceed: a percentile from a histogram, ten times as fast."""
    counts = cv2.calcHist([density], [0], where, [256], [0, 256]).ravel()
    return float(np.searchsorted(np.cumsum(counts), share * counts.sum()))
