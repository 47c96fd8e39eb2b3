"""Draws a small line chart with OpenCV, so that the documentation needs no plotting library."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Range = tuple[float, float]
FONT = cv2.FONT_HERSHEY_SIMPLEX
INK = (60, 60, 60)


class Chart:
    """Axes with a grid; lines are added one by one. Colours are BGR."""

    def __init__(self, x_title: str, y_title: str, x: Range, y: Range, size: int = 560) -> None:
        self.x, self.y, self.size = x, y, size
        self.picture = np.full((size + 90, size + 110, 3), 255, np.uint8)
        self._entries = 0
        for share in np.linspace(0, 1, 6):
            across, down = x[0] + share * (x[1] - x[0]), y[0] + share * (y[1] - y[0])
            cv2.line(self.picture, self._at(across, y[0]), self._at(across, y[1]), (225, 225, 225), 1)
            cv2.line(self.picture, self._at(x[0], down), self._at(x[1], down), (225, 225, 225), 1)
            left, bottom = self._at(across, y[0]), self._at(x[0], down)
            cv2.putText(self.picture, f"{across:.2f}", (left[0] - 14, left[1] + 20), FONT, 0.42, INK, 1, cv2.LINE_AA)
            cv2.putText(self.picture, f"{down:.2f}", (bottom[0] - 42, bottom[1] + 4), FONT, 0.42, INK, 1, cv2.LINE_AA)
        cv2.putText(self.picture, x_title, (80, size + 70), FONT, 0.55, INK, 1, cv2.LINE_AA)
        cv2.putText(self.picture, y_title, (14, 18), FONT, 0.55, INK, 1, cv2.LINE_AA)

    def line(
        self, points: Sequence[tuple[float, float]], colour: tuple[int, int, int], name: str, dots: bool = False
    ) -> None:
        """Draw a line through (x, y) points, in the order given, and name it in the legend."""
        pixels = np.array([self._at(*point) for point in points], np.int32)
        cv2.polylines(self.picture, [pixels.reshape(-1, 1, 2)], False, colour, 2, cv2.LINE_AA)
        if dots:
            for pixel in pixels:
                cv2.circle(self.picture, (int(pixel[0]), int(pixel[1])), 4, colour, -1, cv2.LINE_AA)
        self._entries += 1
        height = self.size + 20 - 22 * self._entries
        cv2.putText(self.picture, name, (self.size // 2 - 40, height), FONT, 0.5, colour, 1, cv2.LINE_AA)

    def _at(self, x: float, y: float) -> tuple[int, int]:
        across = (min(max(x, self.x[0]), self.x[1]) - self.x[0]) / (self.x[1] - self.x[0])
        up = (min(max(y, self.y[0]), self.y[1]) - self.y[0]) / (self.y[1] - self.y[0])
        return 70 + round(across * self.size), 30 + round((1 - up) * self.size)
