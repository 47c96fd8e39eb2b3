"""Simulates numbers and single digits and measures how many are read right, wrong, unsurely or not at all.

    python -m benchmarks.whole_numbers [--count 500] [--seed 7]

Constants were chosen on seeds 1–3 and MNIST's first 30,000 training digits; report others.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from mnist.drawing import Verdict
from mnist.model.classifier import Classifier
from mnist.model.numbers import read
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.settings import Settings
from mnist.training.datasets import load_mnist
from mnist.training.handwriting.pen import render
from mnist.training.handwriting.strokes import deform, held_out_styles, training_styles, write
from mnist.vision.prepare import frame

Frames = np.ndarray  # (N, 28, 28) uint8
OUTCOMES = ("right", "wrong", "unsure", "refused")
FIRST_REPORTED = 30_000  # of MNIST's training digits: those before chose the constants


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    ink: np.ndarray  # (H, W) uint8
    boxes: tuple[tuple[int, int], ...]  # left and right edge of each digit
    digits: tuple[int, ...]
    touches: bool  # two neighbours' ink meets, so that nobody can part them without reading


def write_digit(rng: np.random.Generator, slant: float, height: float, brush: float) -> tuple[np.ndarray, int]:
    """A digit by the stroke generator, in the hand that wrote the rest of the number: (ink, digit)."""
    styles = training_styles()
    style = styles[int(rng.integers(len(styles)))]
    lines = deform(write(style, rng, care=0.4), rng, tame=0.5)
    lines = [line + np.stack([-slant * line[:, 1], np.zeros(len(line))], axis=1) for line in lines]
    return _trim(render(lines, height, brush)), style.digit


def write_number(rng: np.random.Generator, length: int, gap: float, mnist: tuple[Frames, np.ndarray] | None) -> Number:
    """`length` digits, `gap` line heights apart on average, on a wavy line, by one hand (or cut from MNIST)."""
    height, slant = rng.uniform(60, 140), rng.uniform(-0.15, 0.35)
    brush = max(2.0, height * float(np.exp(rng.uniform(np.log(0.04), np.log(0.12)))))
    glyphs, digits = [], []
    for _ in range(length):
        size = height * rng.uniform(0.8, 1.1)
        if mnist is None:
            glyph, digit = write_digit(rng, slant, size, brush)
        else:
            at = int(rng.integers(len(mnist[1])))
            digit = int(mnist[1][at])
            small = _trim(mnist[0][at])
            scale = size / max(small.shape)
            glyph = _trim(cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
        glyphs.append(glyph)
        digits.append(digit)

    room = int(height * 0.6)
    tallest = max(glyph.shape[0] for glyph in glyphs)
    canvas = np.zeros((tallest + 2 * room, sum(g.shape[1] for g in glyphs) + int(height * (length + 1))), np.uint8)
    x, boxes, touches = room, [], False
    for glyph in glyphs:
        h, w = glyph.shape
        y = int(np.clip(room + (tallest - h) / 2 + rng.normal(0, 0.06) * height, 0, canvas.shape[0] - h))
        place = canvas[y : y + h, x : x + w]
        near = cv2.dilate(canvas, np.ones((3, 3), np.uint8))[y : y + h, x : x + w]
        touches |= bool(((near >= 64) & (glyph >= 64)).any())
        np.maximum(place, glyph, out=place)
        boxes.append((x, x + w))
        x += w + max(int(height * rng.normal(gap, 0.06)), int(-0.15 * w))
    return Number(canvas[:, : x + room], tuple(boxes), tuple(digits), touches)


def outcome(classifier: Classifier, ink: np.ndarray, digits: Sequence[int]) -> str:
    """ "right", "wrong" (both sure), "unsure" or "refused"; of one digit as of a number."""
    framed = frame(ink)
    reading = read(framed, classifier.predict(framed.frames))
    if reading.prediction.verdict not in (Verdict.DIGIT, Verdict.NUMBER):
        return "unsure" if reading.prediction.verdict == Verdict.UNSURE else "refused"
    said = reading.number or str(reading.prediction.digit)
    return "right" if said == "".join(map(str, digits)) else "wrong"


def report(name: str, came: Counter[str]) -> None:
    total = came.total()
    shares = ", ".join(f"{came[each]:5d} {each} ({came[each] / max(total, 1):6.2%})" for each in OUTCOMES)
    print(f"  {name:42s} {total:6d}: {shares}")


def _trim(ink: np.ndarray) -> np.ndarray:
    left, top, width, height = cv2.boundingRect(np.asarray(ink >= 24, np.uint8))
    return ink[top : top + height, left : left + width]


def single_digits(count: int, seed: int, held_out: bool) -> list[tuple[np.ndarray, int]]:
    rng = np.random.default_rng([seed, held_out])
    styles = held_out_styles() if held_out else training_styles()
    drawings = []
    for _ in range(count):
        style = styles[int(rng.integers(len(styles)))]
        lines = deform(write(style, rng), rng)
        height = float(np.exp(rng.uniform(np.log(40), np.log(240))))
        drawings.append((render(lines, height, max(1.5, height * float(rng.uniform(0.025, 0.18)))), style.digit))
    return drawings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="numbers of each kind")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--tuning", action="store_true", help="MNIST's first 30,000 digits instead of the others")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    classifier = Classifier.load(SHIPPED_WEIGHTS, version=1)

    print("single digits")
    part = np.s_[:FIRST_REPORTED] if arguments.tuning else np.s_[FIRST_REPORTED:]
    data = load_mnist(Settings.from_environment().mnist_dir, train=True)
    mnist = (data.frames.numpy()[part], data.labels.numpy()[part])
    some = zip(mnist[0][: 4 * arguments.count], mnist[1], strict=False)
    report("MNIST's training digits", Counter(outcome(classifier, ink, [int(digit)]) for ink, digit in some))
    for held_out in (False, True):
        kind = "held-out styles" if held_out else "training styles"
        drawn = single_digits(4 * arguments.count, arguments.seed, held_out)
        report(f"strokes, {kind}", Counter(outcome(classifier, ink, [digit]) for ink, digit in drawn))

    print("numbers of 2 to 6 digits, by the mean gap in line heights")
    for source, digits in (("strokes", None), ("MNIST", mnist)):
        for gap in (0.0, 0.05, 0.1, 0.2, 0.4, 0.8):
            rng = np.random.default_rng([arguments.seed, int(gap * 100), source == "MNIST"])
            numbers = [write_number(rng, int(rng.integers(2, 7)), gap, digits) for _ in range(arguments.count)]
            for touches in (False, True):
                some_numbers = [number for number in numbers if number.touches == touches]
                came = Counter(outcome(classifier, number.ink, number.digits) for number in some_numbers)
                report(f"{source}, gap {gap:4.2f}{', digits touch' if touches else ''}", came)


if __name__ == "__main__":
    main()
