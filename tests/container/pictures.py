"""Digits as people with different hands would draw them: the browser tests' strokes, bent a little."""

from __future__ import annotations

import cv2
import numpy as np

from mnist.vision.image_files import encode_png
from tests.support.strokes import DIGITS


def drawn(digit: int, seed: int) -> bytes:
    """A PNG of the digit, white on black, 300 pixels wide; another seed is another drawing."""
    random = np.random.default_rng([digit, seed])
    ways = DIGITS[digit]
    angle, scale = random.normal(0, 0.08), random.uniform(1.4, 2.2)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    canvas = np.zeros((300, 300), np.uint8)
    for stroke in ways[seed % len(ways)]:
        points = (np.array(stroke) - 50 + random.normal(0, 1, (len(stroke), 2))) @ turn.T + 150
        cv2.polylines(canvas, [points.astype(np.int32)], False, 255, int(random.integers(12, 22)), cv2.LINE_AA)
    return encode_png(canvas)
