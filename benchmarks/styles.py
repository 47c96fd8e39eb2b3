"""Measures how well the shipped network reads each style, trained on or held out; `--sheet FILE` draws them instead."""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import torch

from mnist.model.classifier import Classifier
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.training.evaluation import calibration_error
from mnist.training.handwriting.digit_styles import STYLES, Style
from mnist.training.handwriting.pen import draw
from mnist.training.handwriting.strokes import deform, digits, held_out_styles, training_styles, write

SEED = 4_000  # not the seed of training or of its validation
EACH = 300


def report(classifier: Classifier, styles: list[Style]) -> None:
    """Print accuracy, calibration and verdicts over all of the styles, and the styles that are read worst."""
    confidences, labels, refused, unsure = [], [], 0, 0
    by_style: dict[str, list[bool]] = defaultdict(list)
    for number, style in enumerate(styles):
        drawn = digits(EACH, SEED + number, [style])
        for answer in classifier.predict(drawn.frames.numpy()):
            confidences.append(answer.probabilities)
            labels.append(style.digit)
            refused += answer.verdict == "not_a_digit"
            unsure += answer.verdict == "unsure"
            by_style[f"{style.digit} {style.name}"].append(answer.digit == style.digit)
    count = len(labels)
    right = float(np.mean([each for group in by_style.values() for each in group]))
    error = calibration_error(torch.tensor(confidences, dtype=torch.float64), torch.tensor(labels))
    print(
        f"  {len(styles)} styles, {count} drawings: {right:.2%} right, ECE {error:.2%}, "
        f"{refused / count:.2%} refused, {unsure / count:.2%} unsure"
    )
    worst = sorted(by_style.items(), key=lambda item: np.mean(item[1]))[:8]
    print("  read worst: " + ", ".join(f"{name} {np.mean(each):.1%}" for name, each in worst))


def contact_sheet(path: Path, columns: int = 14, cell: int = 44) -> None:
    """Every style in a row: the careful version first, then what people make of it. Held-out ones are underlined."""
    rng = np.random.default_rng(8)
    rows = []
    for style in STYLES:
        row = [_thumbnail(draw(write(style, rng, care=0), np.random.default_rng(1)), cell)]
        row += [_thumbnail(draw(deform(write(style, rng), rng), rng, style.brush), cell) for _ in range(columns - 1)]
        rows.append(255 - np.hstack(row))
        if style.held_out:
            rows[-1][-2:] = 120
    half = (len(rows) + 1) // 2
    rows += [np.full_like(rows[0], 255)] * (2 * half - len(rows))
    gap = np.full((half * cell, cell // 2), 255, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.hstack([np.vstack(rows[:half]), gap, np.vstack(rows[half:])]))


def _thumbnail(ink: np.ndarray, cell: int) -> np.ndarray:
    scale = (cell - 6) / max(ink.shape)
    small = cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    canvas = np.zeros((cell, cell), np.uint8)
    top, left = (cell - small.shape[0]) // 2, (cell - small.shape[1]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sheet", type=Path, help="write a PNG with examples of every style instead of measuring")
    options = parser.parse_args()
    if options.sheet:
        contact_sheet(options.sheet)
        return
    classifier = Classifier.load(SHIPPED_WEIGHTS, version=1)
    print("styles of training, other drawings")
    report(classifier, training_styles())
    print("held-out styles (aim: ECE at most 2 %, at most 1.5 % refused)")
    report(classifier, held_out_styles())


if __name__ == "__main__":
    main()
