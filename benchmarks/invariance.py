"""Measures how often the answer stays when a drawing is moved, resized, slanted or drawn with another brush."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mnist.model.classifier import Classifier
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.training.handwriting.digit_styles import Style
from mnist.training.handwriting.pen import Line, render
from mnist.training.handwriting.strokes import deform, held_out_styles, training_styles, write
from mnist.vision.prepare import prepare

CANVAS = 400
USUAL_SIZE, USUAL_BRUSH = 0.6, 1 / 12  # of the canvas; of the drawing's height
DRAWINGS = 1500
Variation = Callable[[np.random.Generator], tuple[float, float, float]]  # size, brush, degrees

VARIATIONS: dict[str, Variation] = {
    "anywhere": lambda rng: (USUAL_SIZE, USUAL_BRUSH, 0),
    "20 % of the canvas": lambda rng: (0.2, USUAL_BRUSH, 0),
    "100 % of the canvas": lambda rng: (1.0, USUAL_BRUSH, 0),
    "size 20-100 %": lambda rng: (rng.uniform(0.2, 1), USUAL_BRUSH, 0),
    "brush 1/40": lambda rng: (USUAL_SIZE, 1 / 40, 0),
    "brush 1/5": lambda rng: (USUAL_SIZE, 1 / 5, 0),
    "brush 1/40-1/5": lambda rng: (USUAL_SIZE, float(np.exp(rng.uniform(np.log(1 / 40), np.log(1 / 5)))), 0),
    "slant -20°": lambda rng: (USUAL_SIZE, USUAL_BRUSH, -20),
    "slant +20°": lambda rng: (USUAL_SIZE, USUAL_BRUSH, 20),
    "slant -20° to +20°": lambda rng: (USUAL_SIZE, USUAL_BRUSH, rng.uniform(-20, 20)),
    "all of it at once": lambda rng: (
        rng.uniform(0.2, 1),
        float(np.exp(rng.uniform(np.log(1 / 40), np.log(1 / 5)))),
        rng.uniform(-20, 20),
    ),
}


def frame(lines: list[Line], size: float, brush: float, slant: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the lines anywhere on a (400, 400) canvas and prepare it. Returns the (28, 28) frame."""
    leaning = [line - np.stack([line[:, 1] * np.tan(np.deg2rad(slant)), 0 * line[:, 1]], axis=1) for line in lines]
    height = size * CANVAS / (1 + brush)  # the brush sticks out by half its width on both sides
    ink = render(leaning, height, max(1.0, brush * height))[:CANVAS, :CANVAS]
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    top, left = (int(rng.integers(0, CANVAS - length + 1)) for length in ink.shape)
    canvas[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return prepare(canvas).frame


def measure(classifier: Classifier, styles: list[Style], seed: int) -> dict[str, float]:
    """Share of drawings, among those read correctly at the usual size, that keep their answer, by variation."""
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(DRAWINGS):
        style = styles[int(rng.integers(len(styles)))]
        lines = deform(write(style, rng), rng, tame=0.5)
        drawn.append((style.digit, lines))
    usual = np.stack([frame(lines, USUAL_SIZE, USUAL_BRUSH, 0, rng) for _, lines in drawn])
    answers = classifier.predict(usual)
    right = [lines for (digit, lines), answer in zip(drawn, answers, strict=True) if answer.digit == digit]
    digits = [digit for (digit, _), answer in zip(drawn, answers, strict=True) if answer.digit == digit]
    print(f"{len(right)} of {DRAWINGS} are read correctly at the usual size ({len(right) / DRAWINGS:.2%})")
    kept = {}
    for name, vary in VARIATIONS.items():
        frames = np.stack([frame(lines, *vary(rng), rng) for lines in right])
        same = [each.digit == digit for each, digit in zip(classifier.predict(frames), digits, strict=True)]
        kept[name] = float(np.mean(same))
    return kept


def main() -> None:
    classifier = Classifier.load(SHIPPED_WEIGHTS, version=1)
    for title, styles in (("styles of training", training_styles()), ("held-out styles", held_out_styles())):
        print(f"\n{title}")
        for name, share in measure(classifier, styles, seed=31).items():
            print(f"  {name:22} {share:7.2%} the same (aim: 99 %)")


if __name__ == "__main__":
    main()
