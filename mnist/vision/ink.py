"""Ink apart from paper: any drawing, light on dark or dark on light, → how much ink each pixel has."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mnist.vision.boxes import erase_boxes
from mnist.vision.edges import erase_edges
from mnist.vision.leftovers import Leftover
from mnist.vision.photo import photo_ink
from mnist.vision.ruled_lines import erase_rules
from mnist.vision.sheet import is_photo

MIN_CONTRAST = 32  # of 255: below it, paper grain and JPEG noise would be read as ink
INK = 24  # of 255, after the strongest ink is stretched to 255: above the noise of JPEG, below a faint edge
DUST = 0.01  # of the largest piece's area: a smaller piece is none of the drawing
FAINTEST_CONTRAST = 10  # of 255, where the picture's edge is of one colour: there is no grain then
HAZE = 0.75  # times as many pixels between paper and ink as of ink: more than the soft edges of strokes
HAZE_FROM = 0.1  # of the strongest ink: where paper ends
HAZE_SHARE = 0.95  # of the pixels that are not ink are no darker than the haze
SOLID = 64  # of 255: paler ink, such as the soft edge of a stroke, connects nothing


class BlankDrawing(ValueError):
    """There is no ink: nothing drawn, one colour all over, or fully transparent."""


@dataclass(frozen=True, slots=True, eq=False)
class Ink:
    """What was written on a picture, apart from its paper."""

    pixels: np.ndarray  # (h, w) uint8, 0 = paper, 255 = the strongest ink
    left_over: tuple[Leftover, ...]  # taken out of it: boxes, rules, what lies along the edge
    is_photo: bool


def find_ink(pixels: np.ndarray) -> np.ndarray:
    """The ink alone, as `separate` finds it: uint8, 0 = paper, 255 = the strongest ink."""
    return separate(pixels).pixels


def separate(pixels: np.ndarray, *, is_flat: bool = False) -> Ink:
    """Separate ink from paper by their distance in colour, so that polarity does not matter.

    pixels: (H, W), (H, W, 3) or (H, W, 4) uint8. A picture of flat paper is taken as a drawing, any other as a photo,
    but for is_flat: then it is a drawing, too.
    The ink has the picture's size for a drawing, and is at most 640 pixels long for a photo.
    Raises BlankDrawing when nothing stands out from the paper.
    """
    planes = [pixels] if pixels.ndim == 2 else list(cv2.split(pixels))
    if len(planes) == 4 and cv2.minMaxLoc(planes[3])[0] < 255:
        pixels = _composite(pixels)
        planes = list(cv2.split(pixels))
    planes = planes[:3]
    edges = np.stack([_border(plane) for plane in planes])
    # The planes of a black and white canvas are equal, and one of them says it all.
    if len(planes) == 3 and not any(cv2.norm(planes[0], plane, cv2.NORM_INF) for plane in planes[1:]):
        planes, edges = planes[:1], edges[:1]
    ink: np.ndarray = np.empty(0, np.uint8)
    middle = edges.shape[1] // 2
    paper = np.partition(edges, middle, axis=1)[:, middle].tolist()  # the median, in a quarter of np.median's time
    for plane, level in zip(planes, paper, strict=True):
        distance = cv2.absdiff(plane, np.full_like(plane, level)) if level else plane
        ink = cv2.max(ink, distance) if ink.size else distance
    strongest = cv2.minMaxLoc(ink)[1]
    edge = _border(ink)
    has_flat_edge = not edge.any()
    if strongest < (FAINTEST_CONTRAST if has_flat_edge else MIN_CONTRAST):
        raise BlankDrawing("The picture is empty.")
    if not is_flat and is_photo(ink) and (has_flat_edge or not _has_two_levels(ink, edge, strongest)):
        found, left_over = photo_ink(pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, :3]))
        return Ink(found, tuple(left_over), is_photo=True)
    if grain := max(_grain(ink, strongest), _haze(ink, strongest)):
        ink, strongest = cv2.subtract(ink, np.full_like(ink, grain)), strongest - grain
    ink = ink if strongest == 255 else cv2.convertScaleAbs(ink, alpha=255 / strongest)
    marks = (ink >= INK).view(np.uint8)
    left, top, width, height = cv2.boundingRect(marks)
    box = np.s_[top : top + height, left : left + width]
    if width and cv2.connectedComponents(marks[box], connectivity=8)[0] > 2:
        ink = _without_specks(ink, marks[box], box)
    elif not _may_be_printed(marks[box], ink.shape):
        return Ink(ink, (), is_photo=False)  # nearly every drawing
    ink = _without_rules(ink)
    ink, boxes = erase_boxes(ink, SOLID)
    ink, at_edge = erase_edges(ink, INK)
    return Ink(ink, (*boxes, *at_edge), is_photo=False)


def _may_be_printed(box: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether ink in one piece, (h, w) of a picture of a shape, may be more than strokes: framed, or a long line."""
    if box.shape[1] == shape[1] or box.shape[0] == shape[0]:
        return True
    upright = box.T
    sides = (np.maximum(a, b) for a, b in ((box[0], box[1:2]), (box[-1], box[-2:-1]), (upright[0], upright[1:2])))
    return min(box.shape) > 2 and all(np.count_nonzero(side) > 0.8 * side.size for side in sides)


def plain_ink(pixels: np.ndarray) -> np.ndarray:
    """Ink by the plainest recipe: Otsu's threshold, and whichever side the picture's edge is not on.

    pixels: (H, W), (H, W, 3) or (H, W, 4) uint8. Returns (H, W) uint8, 0 = paper. Another opinion about a photo: where
    the two disagree, one of them has lost ink.
    """
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels[:, :, :3]), cv2.COLOR_RGB2GRAY)
    level = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0]
    if np.median(_border(grey)) > level:
        grey, level = np.asarray(cv2.bitwise_not(grey)), 254 - level
    return np.asarray(cv2.threshold(grey, level, 255, cv2.THRESH_TOZERO)[1])


def _composite(rgba: np.ndarray) -> np.ndarray:
    """Lay a transparent picture on paper that its ink stands out from.

    rgba: (H, W, 4) uint8. Returns (H, W, 3) uint8.
    """
    alpha = rgba[:, :, 3]
    if not alpha.any():
        raise BlankDrawing("The picture is fully transparent.")
    border = _border(rgba)
    opaque_border = border[border[:, 3] >= 128]
    if len(opaque_border) * 2 > len(border):  # opaque paper with, say, rounded corners
        paper = np.median(opaque_border[:, :3], axis=0)
    else:  # the paper itself is transparent: what is visible is ink, light or dark
        visible = np.average(rgba[:, :, :3].reshape(-1, 3), axis=0, weights=alpha.reshape(-1).astype(float))
        paper = np.full(3, 0.0 if visible.mean() >= 128 else 255.0)
    weight = alpha[:, :, None].astype(np.float32) / 255
    return np.rint(rgba[:, :, :3] * weight + paper.astype(np.float32) * (1 - weight)).astype(np.uint8)


def _border(pixels: np.ndarray) -> np.ndarray:
    """The outermost pixels, (N,) or (N, channels): nearly always paper."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _grain(distance: np.ndarray, strongest: float) -> float:
    """How far the paper strays from its usual colour, 0 where it is flat; at most a third of the ink.

    That of three quarters of the edge, as strokes may leave the picture.
    """
    edge = _border(distance)
    if not edge.any():
        return 0.0
    usual = np.partition(edge, 3 * len(edge) // 4)[3 * len(edge) // 4]
    return min(float(usual), strongest // 3)


def _without_rules(ink: np.ndarray) -> np.ndarray:
    """Erase lines that lead from one edge of the picture to the other."""
    left, right, top, bottom = (side.max() >= INK for side in (ink[:, 0], ink[:, -1], ink[0], ink[-1]))
    if not (left and right) and not (top and bottom):
        return ink
    marks = (ink >= INK).view(np.uint8)
    kept = erase_rules(marks, ink, INK)
    if not kept.any() or not (erased := cv2.subtract(marks, kept)).any():
        return ink
    rest = ink.copy()
    rest[(cv2.dilate(erased, np.ones((3, 3), np.uint8)) > 0) & (kept == 0)] = 0
    return rest


def _haze(distance: np.ndarray, strongest: float) -> float:
    """How pale whatever covers more than the soft edges of strokes is: a patch of other paper, a pattern; else 0.

    A drawing has a third to two thirds as many pixels between paper and ink as it has of ink.
    """
    some = np.ascontiguousarray(distance[::7, ::7]) if min(distance.shape) >= 200 else distance
    dark = np.count_nonzero(some >= int(strongest / 2))
    if np.count_nonzero(some >= int(HAZE_FROM * strongest)) - dark <= HAZE * dark:
        return 0.0  # nearly every drawing
    ink_from = cv2.threshold(distance, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0]
    counts = cv2.calcHist([distance], [0], None, [256], [0, 256]).ravel()
    pale, level = counts[: int(ink_from) + 1], int(ink_from) + 1
    if pale[int(HAZE_FROM * strongest) + 1 :].sum() <= HAZE * counts[level:].sum():
        return 0.0
    usual = int(np.searchsorted(np.cumsum(pale), HAZE_SHARE * pale.sum()))
    return float(min(usual, strongest // 2))


def _has_two_levels(distance: np.ndarray, edge: np.ndarray, strongest: float) -> bool:
    """Whether the paper is flat in two colours, such as the squares that stand for transparency, and the ink in one."""
    second = float(np.median(edge[edge > 8])) if (edge > 8).any() else 0.0
    if not 0 < second < 0.5 * strongest:
        return False
    counts = cv2.calcHist([distance], [0], None, [256], [0, 256]).ravel()
    if second < MIN_CONTRAST or counts[:3].sum() < 0.95 * counts[:9].sum():  # light and grain, not two colours
        return False
    near = (
        counts[:9].sum()
        + counts[max(9, int(second) - 8) : int(second) + 9].sum()
        + counts[int(0.6 * strongest) :].sum()
    )
    return bool(near > 0.97 * distance.size and _haze(distance, strongest) >= second - 8)


def _without_specks(ink: np.ndarray, marks: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    """Erase dust and grain: pieces of ink with less than DUST of the largest one's area, wherever they are.

    A single one far away would shrink the digit to a fraction of its frame. marks: (h, w) uint8, 1 = ink, of the box.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(marks, connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA]
    is_speck = area < DUST * area[1:].max()
    is_speck[0] = False
    if not is_speck.any():
        return ink
    kept = ink.copy()
    kept[box][is_speck[labels]] = 0
    return kept
