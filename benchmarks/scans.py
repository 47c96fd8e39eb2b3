"""Measures the accuracy on digits neither drawn on the page nor photographed well: dust, thin pens, grain, small scans.

    python -m benchmarks.scans [--count 250] [--seed 5]

Every defect is applied to the same mildly deformed drawings, in all styles, and to whole pictures, as people upload.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable

import cv2
import numpy as np

from mnist.model.classifier import Classifier
from mnist.model.numbers import read
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.training.handwriting.pen import Line, render
from mnist.training.handwriting.strokes import deform, held_out_styles, training_styles, write
from mnist.vision.ink import BlankDrawing
from mnist.vision.prepare import frame

Make = Callable[[list[Line], np.random.Generator], np.ndarray]  # strokes -> (H, W) uint8


def page(lines: list[Line], side: int, height: float, brush: float) -> np.ndarray:
    """The strokes in the middle of a square, larger where they need it: uint8, 0 = paper, 255 = ink."""
    return centred(render(lines, height, brush), side)


def centred(ink: np.ndarray, side: int) -> np.ndarray:
    """(H, W) uint8 in the middle of a square of paper, larger where it needs it."""
    sheet = np.zeros([max(side, length + 20) for length in ink.shape], np.uint8)
    top, left = ((room - length) // 2 for room, length in zip(sheet.shape, ink.shape, strict=True))
    sheet[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return sheet


def dusty(specks: int) -> Make:
    def make(lines: list[Line], rng: np.random.Generator) -> np.ndarray:
        sheet = 255 - page(lines, 1000, 400, 14)
        for x, y in rng.integers(10, 980, (specks, 2)):
            sheet[y : y + 4, x : x + 4] = np.minimum(sheet[y : y + 4, x : x + 4], 110)
        return sheet

    return make


def tapped(lines: list[Line], rng: np.random.Generator) -> np.ndarray:
    sheet = page(lines, 300, 150, 16)
    cv2.circle(sheet, (20, 280) if rng.random() < 0.5 else (280, 20), 8, 255, -1, cv2.LINE_AA)
    return sheet


def thin(side: int, height: int, brush: int) -> Make:
    return lambda lines, _: 255 - page(lines, side, height, brush)


def grainy(noise: float, contrast: float) -> Make:
    def make(lines: list[Line], rng: np.random.Generator) -> np.ndarray:
        ink = page(lines, 400, 240, 8) / 255
        return np.clip(np.rint(245 - contrast * ink + rng.normal(0, noise, ink.shape)), 0, 255).astype(np.uint8)

    return make


def small(side: int, fall: float) -> Make:
    """A photo under light that falls from one side to the other, made small."""

    def make(lines: list[Line], rng: np.random.Generator) -> np.ndarray:
        ink = cv2.resize(page(lines, 280, 180, 16), (side, side), interpolation=cv2.INTER_AREA) / 255
        light = np.broadcast_to(np.linspace(200, 200 - fall, side), (side, side))
        light = light.T if rng.random() < 0.5 else light
        return np.clip(np.rint(light * (1 - 0.7 * ink) + rng.normal(0, 1, ink.shape)), 0, 255).astype(np.uint8)

    return make


PICTURES: dict[str, Make] = {
    "black pen on white, 1000 pixels": dusty(0),
    "… with one speck of dust of 4 × 4 pixels": dusty(1),
    "… with five": dusty(5),
    "the page's canvas, a tap in a corner": tapped,
    "pen of 1/100 of the digit's height": thin(1000, 700, 7),
    "1/233": thin(1000, 700, 3),
    "1/350": thin(1000, 700, 2),
    "a pencil of one pixel, 1/300": thin(400, 300, 1),
    "1/900": thin(1000, 900, 1),
    "pencil on paper with grain, σ = 2 of 255": grainy(2, 80),
    "σ = 3": grainy(3, 80),
    "pen on paper with grain, σ = 3": grainy(3, 200),
    "a photo of 28 × 28, light falls by a tenth": small(28, 20),
    "by a quarter": small(28, 50),
    "48 × 48, by a quarter": small(48, 50),
    "100 × 100, by a quarter": small(100, 50),
}


def outcome(classifier: Classifier, picture: np.ndarray, digit: int) -> str:
    try:
        framed = frame(picture)
    except BlankDrawing:
        return "blank"
    reading = read(framed, classifier.predict(framed.frames))
    if reading.digits:
        return "a number"
    if reading.prediction.verdict == "not_a_digit":
        return "refused"
    return "right" if reading.prediction.digit == digit else "wrong"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=250, help="drawings")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    classifier = Classifier.load(SHIPPED_WEIGHTS, version=1)
    rng, styles = np.random.default_rng(options.seed), training_styles() + held_out_styles()
    drawn = []
    for number in range(options.count):
        style = styles[number % len(styles)]
        drawn.append((style.digit, deform(write(style, rng), rng, tame=0.5)))
    print("| picture | right | wrong | refused | a number | blank |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, make in PICTURES.items():
        rng = np.random.default_rng(options.seed)
        came = Counter(outcome(classifier, make(lines, rng), digit) for digit, lines in drawn)
        shares = (came[each] / len(drawn) for each in ("right", "wrong", "refused", "a number", "blank"))
        print(f"| {name} | {' | '.join(f'{share:.1%}' for share in shares)} |")


if __name__ == "__main__":
    main()
