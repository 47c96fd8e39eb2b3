"""Measures the shipped network on MNIST's test set and on held-out styles; `--plot FILE` draws the reliability diagram.

It measures the bare network, and the application's answers, which use test-time augmentation where it is unsure.

python -m benchmarks.model [--weights FILE ...]      several files: mean and standard deviation over seeds
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.plot import Chart
from mnist.model.classifier import Classifier
from mnist.model.network import parameter_count
from mnist.model.weights_file import SHIPPED_WEIGHTS, read_weights
from mnist.settings import Settings
from mnist.training.datasets import Labelled, load_mnist
from mnist.training.evaluation import calibration_error, logits_of, score
from mnist.training.handwriting.strokes import digits, held_out_styles

SEED = 6_000  # not the seed of training or of its validation
BANDS = (0.3, 0.5, 0.65, 0.8, 0.9, 0.96, 0.99, 1.01)  # of confidence; narrow where most drawings are


def reliability(probabilities: torch.Tensor, labels: torch.Tensor) -> list[tuple[float, float]]:
    """(mean confidence, accuracy) by rising confidence, of every band with at least ten drawings."""
    confidence, guess = probabilities.max(dim=1)
    right = (guess == labels).double()
    bands = [(confidence >= low) & (confidence < high) for low, high in pairwise(BANDS)]
    return [(confidence[band].mean().item(), right[band].mean().item()) for band in bands if band.sum() >= 10]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, nargs="+", default=[SHIPPED_WEIGHTS])
    parser.add_argument("--plot", type=Path, help="write the reliability diagram of the last file as a PNG")
    options = parser.parse_args()
    sets: dict[str, Labelled] = {
        "MNIST test": load_mnist(Settings.from_environment().mnist_dir, train=False),
        "held-out styles": digits(10_000, SEED, held_out_styles()),
    }
    accuracies: dict[str, list[float]] = defaultdict(list)
    chart = Chart("confidence", "accuracy", (0.3, 1), (0.3, 1))
    for path in options.weights:
        network, calibration = read_weights(path)
        print(f"{path}: {parameter_count(network):,} parameters, {path.stat().st_size:,} bytes")
        for name, images in sets.items():
            logits = logits_of(network, images.frames)
            scores = score(logits, images.labels, calibration)
            accuracies[name].append(scores.accuracy)
            print(
                f"  {name:16} {scores.accuracy:.2%} right, ECE {scores.calibration_error:.2%}, "
                f"{scores.refused:.2%} refused, {scores.unsure:.2%} unsure at one look"
            )
            answers = Classifier(network, calibration, 1).predict(images.frames.numpy())
            probabilities = torch.tensor([answer.probabilities for answer in answers])
            right = (probabilities.argmax(dim=1) == images.labels).double().mean().item()
            accuracies[f"{name}, answered"].append(right)
            print(
                f"  {'':16} {right:.2%} right, ECE {calibration_error(probabilities, images.labels):.2%}, "
                f"{np.mean([answer.verdict == 'unsure' for answer in answers]):.2%} unsure as it is answered"
            )
            if options.plot and path == options.weights[-1]:
                colour = (40, 90, 210) if name.startswith("MNIST") else (180, 90, 20)
                chart.line(reliability(probabilities, images.labels), colour, name, dots=True)
    if len(options.weights) > 1:
        for name, values in accuracies.items():
            print(f"{name}: {np.mean(values):.3%} ± {statistics.stdev(values):.3%} over {len(values)} files")
    if options.plot:
        chart.line([(0.3, 0.3), (1, 1)], (190, 190, 190), "confidence = accuracy")
        options.plot.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(options.plot), chart.picture)


if __name__ == "__main__":
    main()
