"""Measures how often non-digits are caught, by kind, and how often digits are refused; `--plot FILE` draws the ROC."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.plot import Chart
from mnist.model.classifier import Classifier
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.settings import Settings
from mnist.training.datasets import MissingMnist, load_mnist
from mnist.training.evaluation import area_under_roc
from mnist.training.handwriting.non_digits import FAMILY_WEIGHTS, Kind, held_out_kinds, non_digits, training_kinds
from mnist.training.handwriting.strokes import digits, held_out_styles

SEED = 5_000  # not the seed of training or of its validation
EACH = 200


def caught(classifier: Classifier, kinds: list[Kind]) -> np.ndarray:
    """Print the share of "not a digit" and "unsure" by kind; return all outlier scores."""
    scores = []
    for family in FAMILY_WEIGHTS:
        for number, kind in enumerate(each for each in kinds if each.family == family):
            answers = classifier.predict(non_digits(EACH, SEED + number, [kind]).frames.numpy())
            scores.append([answer.non_digit_score for answer in answers])
            verdicts = [each.verdict for each in answers]
            refused, unsure = (verdicts.count(name) / EACH for name in ("not_a_digit", "unsure"))
            print(f"  {family:9} {kind.name:22} {refused:6.1%} not a digit, {unsure:5.1%} unsure")
    flat = np.array(scores)
    refused_all = np.mean(flat >= classifier.calibration.non_digit_threshold)
    print(f"  all {len(kinds)} kinds, each {EACH} drawings: {refused_all:.1%} caught by the learned score (aim: 85 %)")
    return flat.ravel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path, help="write the ROC as a PNG")
    options = parser.parse_args()
    classifier = Classifier.load(SHIPPED_WEIGHTS, version=1)
    print("kinds of training, other drawings")
    caught(classifier, training_kinds())
    print("kinds kept out of training")
    others = caught(classifier, held_out_kinds())
    sets = {"held-out styles": digits(4_000, SEED, held_out_styles()).frames}
    try:
        sets["MNIST test"] = load_mnist(Settings.from_environment().mnist_dir, train=False).frames
    except MissingMnist as error:
        print(error)
    chart = Chart("refused digits", "caught non-digits (held-out kinds)", (0, 0.1), (0.8, 1.0))
    for (name, frames), colour in zip(sets.items(), ((180, 90, 20), (40, 90, 210)), strict=False):
        answers = [each for part in frames.split(1000) for each in classifier.predict(part.numpy())]
        scores = np.array([each.non_digit_score for each in answers])
        refused = np.mean([each.verdict == "not_a_digit" for each in answers])
        area = area_under_roc(torch.from_numpy(scores), torch.from_numpy(others))
        at = np.quantile(scores, 0.985)
        print(
            f"{name}: {refused:.2%} refused (aim: at most 1.5 %), AUROC {area:.4f}, "
            f"{np.mean(others >= at):.1%} would be caught at 1.5 % refused"
        )
        thresholds = np.sort(np.concatenate([scores, others]))[::-3]
        line = [(float(np.mean(scores >= each)), float(np.mean(others >= each))) for each in thresholds]
        chart.line(line, colour, f"{name}, AUROC {area:.4f}")
    if options.plot:
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(options.plot), chart.picture)


if __name__ == "__main__":
    main()
