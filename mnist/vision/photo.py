"""A photograph of paper or a blackboard → what was written on it."""

from __future__ import annotations

import cv2
import numpy as np

from mnist.vision.boxes import erase_boxes
from mnist.vision.leftovers import Leftover
from mnist.vision.photo_pieces import without_shadow, written_pieces
from mnist.vision.ruled_lines import erase_level_rules, erase_rules
from mnist.vision.sheet import coarse_of, find_sheet, level_of

NOISY = 12  # times the paper's noise exceeds the strongest ink: texture, not light
SIDE = 640  # longer side that is worked on: a digit of 8 % of it still has 50 pixels
STRIP = 176  # shorter side up to which a strip, such as the amount of a cheque, is enlarged
STROKE = 11  # coarse cells: a stroke is thinner, so what is wider is light, not ink …
THICK_STROKE = 29  # … unless it is as dark as no shadow is: then a felt tip fills the picture
NO_SHADOW = 150  # of 255: a shadow on paper takes less of the light …
FREE_INK = 48  # of 255: what stands free on the paper and takes so much of its light is ink, too
NO_GLARE = 90  # … and a board's smears and reflections give less


def photo_ink(pixels: np.ndarray) -> tuple[np.ndarray, list[Leftover]]:
    """Find what was written, whatever the light, the rules on the paper and the table around it.

    pixels: (H, W) grey or (H, W, 3) RGB, uint8, at least 32 pixels each way.
    Returns (h, w) uint8, the longer side at most SIDE: 0 = paper, 255 = ink, all 0 when nothing was written; and what
    else there was on the paper, in the same pixels.
    """
    picture = _working_size(pixels)
    sheet = find_sheet(picture)
    if _is_light_ink(picture, sheet):
        ink, left_over = _ink(picture, sheet, is_light=True)
        if ink.any():
            return ink, left_over
        # The grain of a table or the edge of a shadow passed for chalk.
    return _ink(picture, sheet, is_light=False)


def _ink(picture: np.ndarray, sheet: np.ndarray, is_light: bool) -> tuple[np.ndarray, list[Leftover]]:
    """What was written on the sheet in ink of this kind: (h, w) uint8, all 0 when there is none."""
    if is_light:
        picture = np.asarray(cv2.bitwise_not(picture))
    density, noise, strongest = _measured(picture, sheet, NO_GLARE if is_light else NO_SHADOW)
    if NOISY * noise > strongest and not is_light:  # a texture: strokes are wider than its grain
        density, noise, strongest = _measured(
            np.asarray(cv2.GaussianBlur(picture, (0, 0), 2)), sheet, NO_GLARE if is_light else NO_SHADOW
        )
    low, high = max(4 * noise, 0.3 * strongest, 14), max(7 * noise, 0.5 * strongest, 24)
    if not is_light:  # the grain of a table would pass for chalk
        low, high = min(low, max(0.45 * strongest, 14)), min(high, max(0.7 * strongest, 24))
    mask = np.asarray(density >= low, np.uint8)
    if min(mask.shape) <= STRIP:
        mask = erase_level_rules(mask, density)
    else:
        mask = erase_rules(mask, density, max(3 * noise, 0.12 * strongest, 8), sheet)
    mask, boxes = erase_boxes(mask, 1)
    kept, left_over = written_pieces(mask, density, _margin(sheet), high)
    return _contrast(density, without_shadow(kept, density), low), [*boxes, *left_over]


def _measured(picture: np.ndarray, sheet: np.ndarray, no_shadow: int) -> tuple[np.ndarray, float, float]:
    """Density, the paper's noise in it, and the strongest ink."""
    density = _density(picture, sheet, no_shadow)
    density[sheet == 0] = 0
    return density, _noise(density, sheet), level_of(density, 0.9995)


def _working_size(pixels: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8, the longer side at most SIDE, the shorter at least STRIP where that leaves room for it."""
    colour = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels
    scale = min(SIDE / max(colour.shape), max(1.0, STRIP / min(colour.shape[:2])))
    if scale == 1:
        return colour.copy()
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(colour, None, fx=scale, fy=scale, interpolation=way)


def _is_light_ink(picture: np.ndarray, sheet: np.ndarray) -> bool:
    """Chalk on a board rather than a pen on paper: more strokes are lighter than their surroundings than darker."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    grey[sheet == 0] = int(np.median(grey[sheet > 0]))
    sheet = cv2.erode(sheet, np.ones((9, 9), np.uint8), borderValue=255)
    coarse = coarse_of(grey)
    around = cv2.medianBlur(coarse, 41)
    around = cv2.resize(around, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
    darker, lighter = cv2.subtract(around, grey), cv2.subtract(grey, around)
    darker[sheet == 0] = 0
    lighter[sheet == 0] = 0
    level = 0.4 * level_of(np.asarray(cv2.max(darker, lighter)), 0.999)
    return int(np.count_nonzero(lighter > level)) > int(np.count_nonzero(darker > level))


def _density(picture: np.ndarray, sheet: np.ndarray, no_shadow: int) -> np.ndarray:
    """The share of the paper's light that is missing, in the channel that misses most: (h, w) uint8, 255 = all of it.

    The paper's light is the picture closed with a square wider than any stroke. A quotient, so that a shadow, which
    dims paper and ink alike, leaves no trace.
    """
    height, width = picture.shape[:2]
    coarse = coarse_of(picture)
    table = cv2.resize(sheet, coarse.shape[1::-1], interpolation=cv2.INTER_NEAREST) == 0
    coarse[table] = 0
    paper = cv2.morphologyEx(coarse, cv2.MORPH_CLOSE, np.ones((THICK_STROKE, THICK_STROKE), np.uint8))
    missing = _missing(paper, coarse)
    missing[table] = 0
    if not _is_thick_ink(missing, table, no_shadow):
        paper = cv2.morphologyEx(coarse, cv2.MORPH_CLOSE, np.ones((STROKE, STROKE), np.uint8))
    paper = cv2.resize(paper, (width, height), interpolation=cv2.INTER_LINEAR)
    return _missing(paper, cv2.GaussianBlur(picture, (3, 3), 0))


def _is_thick_ink(missing: np.ndarray, table: np.ndarray, no_shadow: int) -> bool:
    """Whether what is wider than a usual stroke is ink, because it is darker than a shadow, or stands free.

    A shadow's edge is soft, and it comes in from the edge of the picture or the sheet (table: (h, w) bool).
    """
    core = np.asarray(cv2.erode(missing, np.ones((STROKE - 2, STROKE - 2), np.uint8)))
    darkest = int(core.max())
    if darkest >= no_shadow:
        return True
    if darkest < FREE_INK:
        return False
    marks = (missing >= darkest // 2).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(marks, connectivity=8)
    label = labels.ravel()[int(core.argmax())]
    left, top, width, height, _ = stats[label]
    is_free = left > 0 and top > 0 and left + width < marks.shape[1] and top + height < marks.shape[0]
    is_free &= not (labels[cv2.dilate(table.view(np.uint8), np.ones((5, 5), np.uint8)) > 0] == label).any()
    around = cv2.countNonZero(cv2.inRange(missing, darkest // 4, darkest // 2 - 1))
    return bool(is_free and around < cv2.countNonZero(marks))


def _missing(paper: np.ndarray, picture: np.ndarray) -> np.ndarray:
    planes = cv2.split(cv2.divide(cv2.subtract(paper, picture), np.maximum(paper, 16), scale=255))
    return cv2.max(cv2.max(planes[0], planes[1]), planes[2])


def _noise(density: np.ndarray, sheet: np.ndarray) -> float:
    """Standard deviation of bare paper, in units of density."""
    counts = cv2.calcHist([density], [0], sheet, [256], [0, 256]).ravel()
    centre = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    strays = np.bincount(np.abs(np.arange(256) - centre), weights=counts)
    return 1.48 * float(np.searchsorted(np.cumsum(strays), counts.sum() / 2)) + centre / 4


def _margin(sheet: np.ndarray) -> np.ndarray:
    """Where ink leaves the sheet or the picture: (h, w) uint8, not 0 there."""
    margin = cv2.dilate(cv2.bitwise_not(sheet), np.ones((5, 5), np.uint8))
    margin[:2], margin[-2:], margin[:, :2], margin[:, -2:] = 255, 255, 255, 255
    return np.asarray(margin)


def _contrast(density: np.ndarray, kept: np.ndarray, low: float) -> np.ndarray:
    """Stretch the kept strokes so that their body is 255, as on a canvas."""
    if not kept.any():
        return np.zeros_like(density)
    body = level_of(density, 0.6, kept)
    levels = (np.arange(256) - low / 2) * (255 / max(body - low / 2, 1))
    near = cv2.dilate(kept, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.LUT(density, np.clip(levels, 0, 255).astype(np.uint8)) * near)
