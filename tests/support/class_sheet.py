"""A class sheet that somebody filled in, and a phone's photo of it."""

from __future__ import annotations

from collections.abc import Collection

import cv2
import numpy as np

from mnist.vision.class_sheet import BOX_HEIGHT, BOX_WIDTH, COLUMNS, LEFT, PRINTED, ROWS, TOP, printed_page
from tests.support.strokes import DIGITS


def filled(*, empty: Collection[tuple[int, int]] = (), drop: float = 0, seed: int = 0) -> np.ndarray:
    """The printed page with a digit in every box but the `empty` ones, given as (row, column).

    drop: millimetres by which every digit is written too low.
    """
    random = np.random.default_rng(seed)
    page = printed_page().copy()
    for row in range(ROWS):
        for column in range(COLUMNS):
            if (row, column) in empty:
                continue
            size = random.uniform(0.09, 0.12)  # mm for each of the 100 units of a stroke
            x = LEFT + column * BOX_WIDTH + random.uniform(2.5, 4)
            y = TOP + row * BOX_HEIGHT + random.uniform(3.5, 6) + drop
            for stroke in DIGITS[row][column % len(DIGITS[row])]:
                points = [((x + across * size) * PRINTED, (y + down * size * 1.3) * PRINTED) for across, down in stroke]
                width = int(random.integers(5, 12))
                cv2.polylines(page, [np.array(points, np.int32)], False, 40, width, cv2.LINE_AA)
    return page


def photo(page: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """(2048, 1560) uint8: the page on a table, at an angle, half in shadow, with a camera's blur and noise."""
    height, width = page.shape
    random = np.random.default_rng(seed)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    seen = np.array([[260, 180], [1290, 120], [1480, 1900], [120, 1800]], np.float32)
    turn = cv2.getPerspectiveTransform(corners, seen)
    taken = cv2.warpPerspective(page, turn, (1560, 2048), flags=cv2.INTER_AREA, borderValue=90).astype(np.float32)
    taken *= np.linspace(0.55, 1, taken.shape[1])
    taken = cv2.GaussianBlur(taken + random.normal(0, 5, taken.shape).astype(np.float32), (0, 0), 0.9)
    return np.clip(taken, 0, 255).astype(np.uint8)
