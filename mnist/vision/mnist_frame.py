"""MNIST's recipe: ink → the (28, 28) frame that the network sees."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mnist.vision.ink import INK, BlankDrawing

FRAME = 28  # MNIST's picture: 28 × 28 …
BOX = 20  # … with the digit scaled into 20 × 20 and centred by its mass (http://yann.lecun.com/exdb/mnist)
MIN_INK_PIXELS = 12  # less ink than the thinnest brush leaves at a touch: nothing was drawn
FAINTEST_PEAK = 96  # of 255, the strongest pixel of a frame: a thinner pen than any trained on leaves less


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One drawing, ready for the network, with the measures of its ink that the frame has lost."""

    frame: np.ndarray  # (28, 28) uint8, 0 = paper, 255 = ink
    height: int  # of the ink's bounding box, in pixels of the picture
    width: int
    ink_share: float  # of the bounding box, 0–1
    canvas_share: float  # the bounding box's longer side as a share of the picture's longer side, 0–1


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
