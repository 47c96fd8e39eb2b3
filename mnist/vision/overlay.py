"""A picture with a thin box and its digit over each digit that was read."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mnist.vision.image_files import decode, encode_png
from mnist.vision.prepare import Box

SURE = (37, 99, 235)  # RGB
ASKED = (217, 119, 6)
LABEL = 0.05  # height of the digit over its box, as a share of the picture's longer side
SMALLEST = 240  # pixels: a smaller picture is enlarged, so that a thin line stays thin


def lay_boxes(picture: bytes, boxes: Sequence[Box], digits: Sequence[int], *, is_sure: bool) -> bytes:
    """Lay a box over each digit of an encoded picture. Returns a PNG file; raises BadImage."""
    pixels = decode(picture)
    shown = np.ascontiguousarray(_on_paper(pixels))
    scale = max(1, -(-SMALLEST // max(shown.shape[:2])))
    shown = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    height, width = shown.shape[:2]
    colour, line = SURE if is_sure else ASKED, max(1, round(max(height, width) / 400))
    size = LABEL * max(height, width)
    for (left, top, wide, tall), digit in zip(boxes, digits, strict=True):
        corner = (int(left * width) - 2 * line, int(top * height) - 2 * line)
        other = (int((left + wide) * width) + 2 * line, int((top + tall) * height) + 2 * line)
        cv2.rectangle(shown, corner, other, colour, line)
        base = corner[1] - 2 * line if corner[1] > size + 2 * line else other[1] + int(size) + 2 * line
        place = (max(corner[0], 0), min(max(base, int(size)), height - 2))
        cv2.putText(shown, str(digit), place, cv2.FONT_HERSHEY_SIMPLEX, size / 22, colour, 2 * line, cv2.LINE_AA)
    return encode_png(shown)


def _on_paper(rgba: np.ndarray) -> np.ndarray:
    """(H, W, 4) uint8 on white: (H, W, 3)."""
    alpha = rgba[:, :, 3:].astype(np.float32) / 255
    return np.rint(rgba[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
