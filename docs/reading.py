"""Draws docs/images/reading.png: pictures as people send them, the ink found in each, and what was read.

python -m docs.reading
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mnist.drawing import Verdict
from mnist.model.classifier import Classifier
from mnist.model.numbers import read
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.vision.image_files import decode, encode_png
from mnist.vision.ink import separate
from mnist.vision.prepare import Box, frame

FILE = Path(__file__).parent / "images" / "reading.png"
SURE = (37, 99, 235)  # RGB
ASKED = (217, 119, 6)
LABEL = 0.05  # height of the digit over its box, as a share of the picture's longer side
SMALLEST = 240  # pixels: a smaller picture is enlarged, so that a thin line stays thin
WIDTH, HEIGHT = 320, 150  # of one picture in the sheet
SHAPES = {
    "0": [[(30, 0), (8, 15), (0, 50), (8, 85), (30, 100), (52, 85), (60, 50), (52, 15), (30, 0)]],
    "2": [[(3, 22), (12, 4), (30, 0), (50, 8), (54, 28), (40, 55), (2, 98), (60, 98)]],
    "3": [[(4, 10), (28, 0), (52, 14), (48, 38), (24, 47), (52, 58), (56, 82), (30, 100), (2, 90)]],
    "4": [[(40, 0), (2, 62), (60, 62)], [(44, 35), (44, 100)]],
    "5": [[(54, 2), (12, 2), (8, 45), (38, 42), (56, 66), (42, 96), (4, 92)]],
    "7": [[(2, 2), (58, 2), (22, 100)]],
}


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


def written(digits: str, gap: int = 40, small: str = "") -> np.ndarray:
    """Digits on a line, white on black: (H, W) uint8; those of `small` at two fifths of the height."""
    page = np.zeros((200, 100 + len(digits) * (60 + gap)), np.uint8)
    for place, digit in enumerate(digits):
        scale, down = (0.42, 58) if digit in small else (1.0, 0)
        for stroke in SHAPES[digit]:
            points = np.array(stroke) * scale + (50 + place * (60 + gap), 50 + down)
            cv2.polylines(page, [np.rint(points * 16).astype(np.int32)], False, 255, 9, cv2.LINE_AA, 4)
    return page


def photographed(ink: np.ndarray) -> np.ndarray:
    """Dark ink on ruled paper under light that falls off: (H, W) uint8."""
    rng = np.random.default_rng(3)
    light = np.linspace(1, 0.7, ink.shape[1])[None]
    paper = np.full(ink.shape, 225.0)
    for y in range(30, ink.shape[0], 42):
        paper[y : y + 2] = 160
    return np.clip((paper + (50 - paper) * (ink / 255)) * light + rng.normal(0, 3, ink.shape), 0, 255).astype(np.uint8)


def samples() -> dict[str, np.ndarray]:
    """Caption → picture."""
    decimal, thousands, minus = written("35", gap=60), written("3500", gap=45), np.pad(written("5"), [(0, 0), (70, 0)])
    cv2.circle(decimal, (140, 148), 6, 255, -1, cv2.LINE_AA)
    cv2.circle(thousands, (134, 148), 6, 255, -1, cv2.LINE_AA)
    cv2.line(minus, (35, 100), (80, 100), 255, 9, cv2.LINE_AA)
    touching = written("4007")
    cv2.line(touching, (180, 52), (280, 52), 255, 8, cv2.LINE_AA)
    boxed = np.pad(written("4"), 60)
    cv2.rectangle(boxed, (40, 40), (boxed.shape[1] - 40, 280), 255, 2)
    return {
        "a small digit": written("207", small="0"),
        "spaced, on ruled paper": photographed(np.pad(written("274", gap=110), 60)),
        "digits that touch": touching,
        "a printed box": 255 - boxed,
        "thousands": thousands,
        "a decimal point: asked": decimal,
        "a minus: asked": minus,
    }


def _fit(pixels: np.ndarray) -> np.ndarray:
    """(h, w) or (h, w, 3 or 4) in a cell of the sheet: (HEIGHT, WIDTH, 3)."""
    colour = cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if pixels.ndim == 2 else pixels[:, :, :3]
    scale = min((WIDTH - 10) / colour.shape[1], (HEIGHT - 34) / colour.shape[0])
    small = cv2.resize(np.ascontiguousarray(colour), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cell = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    cell[28 : 28 + small.shape[0], 5 : 5 + small.shape[1]] = small
    return cell


def main() -> None:
    classifier = Classifier.load(SHIPPED_WEIGHTS, version=1)
    rows = []
    for caption, picture in samples().items():
        framed = frame(picture)
        reading = read(framed, classifier.predict(framed.frames))
        digits = [each.digit for each in reading.digits] or [reading.prediction.digit]
        verdict = reading.prediction.verdict
        is_sure = verdict in (Verdict.DIGIT, Verdict.NUMBER)
        shown = decode(lay_boxes(encode_png(picture), reading.boxes, digits, is_sure=is_sure))
        row = np.hstack([_fit(picture), _fit(separate(picture).pixels), _fit(shown)])
        left_over = ", ".join(sorted({each.reason.value for each in reading.left_over}))
        said = f"{''.join(map(str, digits))} ({verdict.value.replace('_', ' ')})"
        for text, left in ((caption, 5), (left_over, WIDTH + 5), (said, 2 * WIDTH + 5)):
            cv2.putText(row, text, (left, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
        rows.append(row)
    FILE.write_bytes(encode_png(np.vstack(rows)))
    print(FILE)


if __name__ == "__main__":
    main()
