"""Ink apart from paper: any drawing, light on dark or dark on light, → how much ink each pixel has."""

from __future__ import annotations

import cv2
import numpy as np

from mnist.vision.photo import is_photo, photo_ink

MIN_CONTRAST = 32  # of 255: below it, paper grain and JPEG noise would be read as ink
INK = 24  # of 255, after the strongest ink is stretched to 255: above the noise of JPEG, below a faint edge
DUST = 0.01  # of the largest piece's area: a smaller piece is none of the drawing


class BlankDrawing(ValueError):
    """There is no ink: nothing drawn, one colour all over, or fully transparent."""


def find_ink(pixels: np.ndarray) -> np.ndarray:
    """Separate ink from paper by their distance in colour, so that polarity does not matter.

    pixels: (H, W), (H, W, 3) or (H, W, 4) uint8. A picture of flat paper is taken as a drawing, any other as a photo.
    Returns uint8, 0 = paper, 255 = the strongest ink: (H, W) for a drawing, at most 640 pixels long for a photo.
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
    if strongest < MIN_CONTRAST:
        raise BlankDrawing("The picture is empty.")
    if is_photo(ink):
        return photo_ink(pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[:, :, :3]))
    if grain := _grain(ink, strongest):
        ink, strongest = cv2.subtract(ink, np.full_like(ink, grain)), strongest - grain
    return _without_specks(ink if strongest == 255 else cv2.convertScaleAbs(ink, alpha=255 / strongest))


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


def _without_specks(ink: np.ndarray) -> np.ndarray:
    """Erase dust and grain: pieces of ink with less than DUST of the largest one's area, wherever they are.

    A single one far away would shrink the digit to a fraction of its frame.
    """
    marks = (ink >= INK).view(np.uint8)
    left, top, width, height = cv2.boundingRect(marks)
    box = np.s_[top : top + height, left : left + width]
    marks = marks[box]
    if not width or cv2.connectedComponents(marks, connectivity=8)[0] <= 2:
        return ink  # one piece: nearly every drawing
    _, labels, stats, _ = cv2.connectedComponentsWithStats(marks, connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA]
    is_speck = area < DUST * area[1:].max()
    is_speck[0] = False
    if not is_speck.any():
        return ink
    kept = ink.copy()
    kept[box][is_speck[labels]] = 0
    return kept
