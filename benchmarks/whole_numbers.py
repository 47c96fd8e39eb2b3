"""Simulates numbers and measures how many split into exactly their digits, and how many single digits are split.

    python -m benchmarks.whole_numbers [--count 500] [--seed 7]

Constants of mnist/vision/split_digits.py were chosen on seeds 1–3 and MNIST's first 30,000 training digits;
report others.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import cv2
import numpy as np

from mnist.settings import Settings
from mnist.training.datasets import load_mnist
from mnist.training.handwriting.pen import render
from mnist.training.handwriting.strokes import deform, held_out_styles, training_styles, write
from mnist.vision.split_digits import Segment, split_digits

Frames = np.ndarray  # (N, 28, 28) uint8
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


def is_parted(number: Number, segments: list[Segment]) -> bool:
    """One segment for each digit, each about where the digit is."""
    if len(segments) != len(number.boxes):
        return False
    for segment, (left, right) in zip(segments, number.boxes, strict=True):
        middle = segment.left + segment.ink.shape[1] / 2
        if not left - 2 <= middle <= right + 2:
            return False
    return True


def _trim(ink: np.ndarray) -> np.ndarray:
    left, top, width, height = cv2.boundingRect(np.asarray(ink >= 24, np.uint8))
    return ink[top : top + height, left : left + width]


def single_digits(count: int, seed: int, held_out: bool) -> list[np.ndarray]:
    rng = np.random.default_rng([seed, held_out])
    styles = held_out_styles() if held_out else training_styles()
    drawings = []
    for _ in range(count):
        lines = deform(write(styles[int(rng.integers(len(styles)))], rng), rng)
        height = float(np.exp(rng.uniform(np.log(40), np.log(240))))
        drawings.append(render(lines, height, max(1.5, height * float(rng.uniform(0.025, 0.18)))))
    return drawings


def report_singles(name: str, drawings: list[np.ndarray] | Frames) -> None:
    found = [split_digits(ink) for ink in drawings]
    split = sum(len(segments) > 1 for segments in found)
    wide = sum(len(segments) == 1 and segments[0].touching for segments in found)
    total = len(drawings)
    print(f"{name:34s} {total:6d} {split:6d} split {split / total:6.2%} {wide:5d} called touching {wide / total:6.2%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500, help="numbers of each kind")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--tuning", action="store_true", help="MNIST's first 30,000 digits instead of the others")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)

    print("single digits")
    part = np.s_[:FIRST_REPORTED] if arguments.tuning else np.s_[FIRST_REPORTED:]
    data = load_mnist(Settings.from_environment().mnist_dir, train=True)
    mnist = (data.frames.numpy()[part], data.labels.numpy()[part])
    report_singles("MNIST's training digits", mnist[0])
    for held_out in (False, True):
        kind = "held-out styles" if held_out else "training styles"
        report_singles(f"strokes, {kind}", single_digits(4 * arguments.count, arguments.seed, held_out))

    print("numbers of 2 to 6 digits, by the mean gap in line heights")
    for source, digits in (("strokes", None), ("MNIST", mnist)):
        for gap in (0.05, 0.1, 0.2, 0.4, 0.8):
            rng = np.random.default_rng([arguments.seed, int(gap * 100), source == "MNIST"])
            numbers = [write_number(rng, int(rng.integers(2, 7)), gap, digits) for _ in range(arguments.count)]
            found = [split_digits(number.ink) for number in numbers]
            apart = [not number.touches for number in numbers]
            right = [is_parted(n, f) for n, f in zip(numbers, found, strict=True)]
            wide = [any(segment.touching for segment in segments) for segments in found]
            caught = sum(w for w, a, r in zip(wide, apart, right, strict=True) if not a and not r)
            touching = len(apart) - sum(apart)
            parted = sum(r for r, a in zip(right, apart, strict=True) if a)
            needless = sum(w for w, r in zip(wide, right, strict=True) if r)
            share = parted / max(sum(apart), 1)
            print(
                f"  {source:8s} gap {gap:4.2f}: {parted:4d} of {sum(apart):4d} parted ({share:6.1%}), {needless:2d} of "
                f"them called touching; digits touch in {touching:3d} more, {caught:3d} of them noticed"
            )


if __name__ == "__main__":
    main()
