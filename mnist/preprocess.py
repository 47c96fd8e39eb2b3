"""Any drawing or photo → the (28, 28) frame that MNIST defines."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mnist.photo import is_photo, photo_ink

FRAME = 28  # MNIST's picture: 28 × 28 …
BOX = 20  # … with the digit scaled into 20 × 20 and centred by its mass (http://yann.lecun.com/exdb/mnist)
MIN_CONTRAST = 32  # of 255: below it, paper grain and JPEG noise would be read as ink
INK = 24  # of 255, after the strongest ink is stretched to 255: above the noise of JPEG, below a faint edge
MIN_INK_PIXELS = 12  # less ink than the thinnest brush leaves at a touch: nothing was drawn
DUST = 0.01  # of the largest piece's area: a smaller piece is none of the drawing
FAINTEST_PEAK = 96  # of 255, the strongest pixel of a frame: a thinner pen than any trained on leaves less


class BlankDrawing(ValueError):
    """There is no ink: nothing drawn, one colour all over, or fully transparent."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One drawing, ready for the network, with the measures of its ink that the frame has lost."""

    frame: np.ndarray  # (28, 28) uint8, 0 = paper, 255 = ink
    height: int  # of the ink's bounding box, in pixels of the picture
    width: int
    ink_share: float  # of the bounding box, 0–1
    canvas_share: float  # the bounding box's longer side as a share of the picture's longer side, 0–1


def prepare(pixels: np.ndarray) -> Prepared:
    """Turn a picture into the network's input.

    pixels: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8, ink of any colour on paper of any colour.
    Raises BlankDrawing when no pixel has ink.
    """
    return frame_ink(find_ink(pixels))


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


def frame_ink(ink: np.ndarray) -> Prepared:
    """MNIST's recipe: crop to the ink, scale into 20 × 20 keeping the aspect, centre the mass in 28 × 28.

    ink: (H, W) uint8, 0 = paper, 255 = ink.
    Raises BlankDrawing when there is less ink than a speck, or nothing but specks.
    """
    marks = (ink >= INK).view(np.uint8)
    top, left, bottom, right = _bounds(marks)
    crop = ink[top:bottom, left:right]
    height, width = crop.shape
    box = _fit(crop)
    peak = box.max()
    if not peak:  # specks far apart, each too small to leave a trace
        raise BlankDrawing("There are no more than specks on the picture.")
    if peak < FAINTEST_PEAK:  # a pen far thinner than a pixel of the frame: made stronger it looks like a thicker one
        fine = _fit(crop.astype(np.float32))
        box = cv2.convertScaleAbs(fine, alpha=FAINTEST_PEAK / fine.max())
    return Prepared(
        frame=_centre(box),
        height=height,
        width=width,
        ink_share=cv2.countNonZero(marks[top:bottom, left:right]) / crop.size,
        canvas_share=max(height, width) / max(ink.shape),
    )


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


def _bounds(marks: np.ndarray) -> tuple[int, int, int, int]:
    # MNIST's own 28 × 28 pictures and other tiny ones have few pixels, so the speck shrinks with the picture.
    if cv2.countNonZero(marks) < min(MIN_INK_PIXELS, max(2, marks.size // 200)):
        raise BlankDrawing("There is only a speck in the picture.")
    left, top, width, height = cv2.boundingRect(marks)
    return top, left, top + height, left + width


def _fit(crop: np.ndarray) -> np.ndarray:
    """Scale so that the longer side is BOX pixels. Returns (h, w) of the same type, h, w ≤ BOX."""
    height, width = crop.shape
    scale = BOX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Area averaging is right for shrinking only: enlarging with it leaves blocks.
    return cv2.resize(crop, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _centre(box: np.ndarray) -> np.ndarray:
    """Place (h, w) ≤ BOX so that the centre of mass is at the frame's centre, never cutting ink off."""
    height, width = box.shape
    # Counted from the first pixel's centre, as MNIST's makers did: 99.9 % of its pictures come out unchanged.
    mass = cv2.moments(box)
    top = min(max(round(FRAME / 2 - mass["m01"] / mass["m00"]), 0), FRAME - height)
    left = min(max(round(FRAME / 2 - mass["m10"] / mass["m00"]), 0), FRAME - width)
    frame = np.zeros((FRAME, FRAME), np.uint8)
    frame[top : top + height, left : left + width] = box
    return frame
