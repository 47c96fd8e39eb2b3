"""A photograph of paper or a blackboard → the ink of its largest drawing."""

from __future__ import annotations

import cv2
import numpy as np

from mnist.vision.ruled_lines import erase_rules

SMALLEST = 64  # pixels: smaller pictures have no room for what makes a photo
GRAIN = 4  # of 255: flat paper, saved as JPEG, strays no further
LINE = 24  # of 255: what crosses the edge darker than that is a rule, or a stroke that leaves the picture
UNEVEN_EDGE = 0.3  # of the edge's pixels: more grain is a photo's
MAX_CROSSINGS = 6  # strokes that leave the picture; more are rules
UNEVEN_PAPER = 0.25  # of all pixels between paper and ink: more than the soft edges of strokes
SHEET_SHARE = 0.2  # of the picture: a smaller sheet is not looked for on a flat table
SIDE = 640  # longer side that is worked on: a digit of 8 % of it still has 50 pixels
COARSE = 128  # longer side for everything about light: strokes are thin there
SHARP_STEP = 0.8  # of the light inside is left outside: a table begins within a few cells, a vignette does not
STROKE = 11  # coarse cells: a stroke is thinner, so what is wider is light, not ink …
THICK_STROKE = 29  # … unless it is as dark as no shadow is: then a felt tip fills the picture
NO_SHADOW = 150  # of 255: a shadow on paper takes less of the light …
NO_GLARE = 90  # … and a board's smears and reflections give less
FAINTEST = 0.45  # of the drawing's own density: paler than that is a shadow that touches it
NEAR = 0.35  # of the main piece's size: a piece of ink that close belongs to the same drawing
NEXT_DIGIT = 0.8  # as NEAR, for a piece as high as the main one
MIN_PART = 0.015  # of the main piece's weight: less is a speck
MOST_PARTS = 200  # pieces that are looked at, the heaviest; more are a pattern, and each is compared with each
BLOB = 2.5  # times its thickness squared: a piece with less area is a shadow or a coin, not a stroke
PALER = 0.6  # of the main piece's mean density: a paler piece is what is left of a shadow


def is_photo(distance: np.ndarray) -> bool:
    """Whether a picture has paper with light and grain on it, or rules, or a table around it; a drawing has flat paper.

    distance: (H, W) uint8, how far each pixel's colour is from the usual colour of the picture's edge.
    """
    if min(distance.shape) < SMALLEST:
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
    paper = _level(distance, 0.5, inside)
    drawn = cv2.bitwise_and(inside, cv2.bitwise_not(cv2.inRange(distance, paper - LINE, paper + LINE)))
    return 12 < cv2.countNonZero(drawn) < 0.2 * area


def photo_ink(pixels: np.ndarray) -> np.ndarray:
    """Find what was drawn, whatever the light, the rules on the paper and the table around it.

    pixels: (H, W) grey or (H, W, 3) RGB, uint8, at least 32 pixels each way.
    Returns (h, w) uint8, the longer side at most SIDE: 0 = paper, 255 = ink; all 0 when nothing was drawn.
    """
    picture = _working_size(pixels)
    sheet = _sheet(picture)
    if _is_light_ink(picture, sheet):
        ink = _ink(picture, sheet, is_light=True)
        if ink.any():
            return ink
        # The grain of a table or the edge of a shadow passed for chalk.
    return _ink(picture, sheet, is_light=False)


def _ink(picture: np.ndarray, sheet: np.ndarray, is_light: bool) -> np.ndarray:
    """The largest drawing on the sheet in ink of this kind: (h, w) uint8, all 0 when there is none."""
    if is_light:
        picture = np.asarray(cv2.bitwise_not(picture))
    density = _density(picture, sheet, NO_GLARE if is_light else NO_SHADOW)
    density[sheet == 0] = 0
    noise, strongest = _noise(density, sheet), _level(density, 0.9995)
    low, high = max(4 * noise, 0.3 * strongest, 14), max(7 * noise, 0.5 * strongest, 24)
    mask = erase_rules(np.asarray(density >= low, np.uint8), density, max(3 * noise, 0.12 * strongest, 8))
    kept = _without_shadow(_largest_drawing(mask, density, _margin(sheet), high), density, high)
    return _contrast(density, kept, low)


def _working_size(pixels: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8, the longer side at most SIDE."""
    colour = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels
    scale = SIDE / max(colour.shape)
    return cv2.resize(colour, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else colour.copy()


def _coarse(picture: np.ndarray) -> np.ndarray:
    scale = COARSE / max(picture.shape)
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _sheet(picture: np.ndarray) -> np.ndarray:
    """Where the sheet is: (h, w) uint8, 255 inside, 0 on the table around it; all 255 when no table shows."""
    height, width = picture.shape[:2]
    coarse = cv2.medianBlur(_coarse(picture), 9)
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


def _is_light_ink(picture: np.ndarray, sheet: np.ndarray) -> bool:
    """Chalk on a board rather than a pen on paper: more strokes are lighter than their surroundings than darker."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    grey[sheet == 0] = int(np.median(grey[sheet > 0]))
    sheet = cv2.erode(sheet, np.ones((9, 9), np.uint8), borderValue=255)
    coarse = _coarse(grey)
    around = cv2.medianBlur(coarse, 41)
    around = cv2.resize(around, grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
    darker, lighter = cv2.subtract(around, grey), cv2.subtract(grey, around)
    darker[sheet == 0] = 0
    lighter[sheet == 0] = 0
    level = 0.4 * _level(np.asarray(cv2.max(darker, lighter)), 0.999)
    return int(np.count_nonzero(lighter > level)) > int(np.count_nonzero(darker > level))


def _density(picture: np.ndarray, sheet: np.ndarray, no_shadow: int) -> np.ndarray:
    """The share of the paper's light that is missing, in the channel that misses most: (h, w) uint8, 255 = all of it.

    The paper's light is the picture closed with a square wider than any stroke. A quotient, so that a shadow, which
    dims paper and ink alike, leaves no trace.
    """
    height, width = picture.shape[:2]
    coarse = _coarse(picture)
    table = cv2.resize(sheet, coarse.shape[1::-1], interpolation=cv2.INTER_NEAREST) == 0
    coarse[table] = 0
    paper = cv2.morphologyEx(coarse, cv2.MORPH_CLOSE, np.ones((THICK_STROKE, THICK_STROKE), np.uint8))
    missing = _missing(paper, coarse)
    missing[table] = 0
    if cv2.erode(missing, np.ones((STROKE - 2, STROKE - 2), np.uint8)).max() < no_shadow:
        paper = cv2.morphologyEx(coarse, cv2.MORPH_CLOSE, np.ones((STROKE, STROKE), np.uint8))
    paper = cv2.resize(paper, (width, height), interpolation=cv2.INTER_LINEAR)
    return _missing(paper, cv2.GaussianBlur(picture, (3, 3), 0))


def _missing(paper: np.ndarray, picture: np.ndarray) -> np.ndarray:
    planes = cv2.split(cv2.divide(cv2.subtract(paper, picture), np.maximum(paper, 16), scale=255))
    return cv2.max(cv2.max(planes[0], planes[1]), planes[2])


def _level(density: np.ndarray, share: float, where: np.ndarray | None = None) -> float:
    """The density that `share` of the pixels do not exceed: a percentile from a histogram, ten times as fast."""
    counts = cv2.calcHist([density], [0], where, [256], [0, 256]).ravel()
    return float(np.searchsorted(np.cumsum(counts), share * counts.sum()))


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


def _largest_drawing(mask: np.ndarray, density: np.ndarray, margin: np.ndarray, high: float) -> np.ndarray:
    """Keep the piece of ink that weighs most and the pieces that belong to it: (h, w) uint8, 1 = kept."""
    joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    if count == 1 or joined.all():  # nothing, or nothing else
        return mask
    inked = np.flatnonzero(joined)
    piece = np.asarray(labels, np.intp).ravel()[inked]
    dark = density.ravel()[inked]
    peak, thickness = np.zeros(count), np.zeros(count)
    np.maximum.at(peak, piece, dark)
    # Beyond the picture's edge there is no ink either: without that a stroke along the edge would count twice as thick.
    framed = cv2.copyMakeBorder(joined, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1]
    np.maximum.at(thickness, piece, 2 * depth.ravel()[inked])
    score = np.bincount(piece, weights=dark, minlength=count).astype(np.float64)
    score[peak < high] = 0
    score[stats[:, cv2.CC_STAT_AREA] < BLOB * thickness**2] *= 0.2
    score[np.unique(piece[margin.ravel()[inked] > 0])] *= 0.1  # a fold, a finger, the edge of the sheet
    main = int(score.argmax())
    if score[main] == 0:
        return np.zeros_like(mask)
    chosen = np.zeros(count, np.uint8)
    chosen[_belonging(np.asarray(stats), score, main)] = 1
    return chosen[labels] & mask


def _without_shadow(kept: np.ndarray, density: np.ndarray, high: float) -> np.ndarray:
    """Cut off a shadow's edge that touches the drawing: it is much paler than the ink."""
    if not kept.any():
        return kept
    left, top, width, height = cv2.boundingRect(kept)
    box = np.s_[top : top + height, left : left + width]
    strong = np.asarray(density[box] >= FAINTEST * _level(density, 0.85, kept), np.uint8)
    cleared = np.zeros_like(kept)
    cleared[box] = _largest_drawing(kept[box] & strong, density[box], np.zeros_like(strong), high)
    return cleared


def _belonging(stats: np.ndarray, score: np.ndarray, main: int) -> list[int]:
    """The pieces near the main one, near those, and so on."""
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right, bottom = left + stats[:, cv2.CC_STAT_WIDTH], top + stats[:, cv2.CC_STAT_HEIGHT]
    size = np.maximum(right - left, bottom - top)
    # A piece on the same line and as high as the main one is the next digit of a number, and may stand farther off.
    on_line = (bottom - top > 0.5 * size[main]) & (np.minimum(bottom, bottom[main]) - np.maximum(top, top[main]) > 0)
    reach = np.where(on_line, NEXT_DIGIT, NEAR) * size[main]
    density = score / stats[:, cv2.CC_STAT_AREA]
    candidates = [
        int(i)
        for i in np.argsort(-score, kind="stable")
        if i and i != main and score[i] >= MIN_PART * score[main] and density[i] >= PALER * density[main]
    ][:MOST_PARTS]
    kept, front = [main], [main]
    while front:
        piece = front.pop()
        for other in list(candidates):
            gap_x = max(left[other] - right[piece], left[piece] - right[other], 0)
            gap_y = max(top[other] - bottom[piece], top[piece] - bottom[other], 0)
            if max(gap_x, gap_y) <= reach[other]:
                candidates.remove(other)
                kept.append(other)
                front.append(other)
    return kept


def _contrast(density: np.ndarray, kept: np.ndarray, low: float) -> np.ndarray:
    """Stretch the kept strokes so that their body is 255, as on a canvas."""
    if not kept.any():
        return np.zeros_like(density)
    body = _level(density, 0.6, kept)
    levels = (np.arange(256) - low / 2) * (255 / max(body - low / 2, 1))
    near = cv2.dilate(kept, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.LUT(density, np.clip(levels, 0, 255).astype(np.uint8)) * near)
