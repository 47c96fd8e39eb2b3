"""Digits as a person's mouse would draw them: paths in a square of 0–100, y downwards, several ways for each."""

from __future__ import annotations

import math

Point = tuple[float, float]
Stroke = list[Point]


def arc(centre: Point, radius: Point, start: float, end: float, steps: int = 14) -> Stroke:
    """Part of an ellipse; angles in degrees, 0 = right, growing clockwise on the screen."""
    angles = [math.radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    return [(centre[0] + radius[0] * math.cos(a), centre[1] + radius[1] * math.sin(a)) for a in angles]


DIGITS: dict[int, list[list[Stroke]]] = {
    0: [
        [arc((50, 50), (26, 40), -90, 270)],
        [arc((50, 50), (32, 38), -60, 305)],
    ],
    1: [
        [[(50, 10), (50, 90)]],
        [[(36, 26), (52, 10), (52, 90)]],
    ],
    2: [
        [[*arc((50, 32), (24, 22), -170, 40), (26, 88), (78, 88)]],
        [[*arc((48, 30), (22, 20), -160, 60), (40, 62), (24, 86), (50, 84), (80, 88)]],
    ],
    3: [
        [[*arc((46, 30), (22, 19), -150, 90), *arc((46, 69), (25, 20), -90, 150)]],
        [[(26, 12), (72, 12), (46, 42), *arc((46, 65), (25, 24), -80, 150)]],
    ],
    4: [
        [[(58, 10), (22, 62), (80, 62)], [(62, 38), (62, 92)]],
        [[(28, 12), (24, 52), (72, 52)], [(68, 12), (68, 92)]],
    ],
    5: [
        [[(72, 12), (34, 12), (32, 46), *arc((46, 65), (27, 24), -110, 140)]],
        [[(34, 14), (30, 48), *arc((46, 66), (26, 23), -115, 140)], [(34, 14), (74, 13)]],
    ],
    6: [
        [[(64, 12), (40, 36), *arc((50, 66), (24, 24), -170, 200)]],
        [[(58, 10), (34, 44), *arc((51, 68), (22, 21), -180, 180)]],
    ],
    7: [
        [[(22, 14), (76, 14), (44, 90)]],
        [[(24, 14), (76, 14), (46, 90)], [(36, 50), (72, 50)]],
    ],
    8: [
        [arc((50, 30), (20, 19), 90, 450), arc((50, 69), (25, 21), -90, 270)],
        [[*arc((50, 30), (20, 20), 80, -260), *arc((50, 70), (24, 20), -80, 270)]],
    ],
    9: [
        [[*arc((50, 32), (23, 22), 0, -360), (73, 34), (68, 90)]],
        [[*arc((48, 32), (23, 21), -10, -350), (71, 30), (71, 62), *arc((52, 66), (19, 24), 0, 130)]],
    ],
}

SEVEN = DIGITS[7][0]
ONE = DIGITS[1][0]
STAR: list[Stroke] = [[(0, 0), (100, 100)], [(0, 100), (100, 0)], [(50, -10), (50, 110)]]  # no digit
