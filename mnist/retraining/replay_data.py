"""What a retraining replays and validates on beside people's labels: the images that the shipped network knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from mnist.training.datasets import Labelled, load_mnist, split
from mnist.training.handwriting.non_digits import outliers, training_kinds
from mnist.training.handwriting.strokes import digits, training_styles

SEED = 40_000  # of the drawings: the same in every run, so that scores of different runs compare


@dataclass(frozen=True, slots=True)
class Materials:
    """What a run learns from and is examined on beside feedback: the kinds of images that the shipped network knows."""

    mnist: Labelled
    strokes: Labelled
    outliers: Labelled
    mnist_validation: Labelled  # never trained on, by any version
    strokes_validation: Labelled
    outliers_validation: Labelled


def gather(folder: Path, *, mnist: int = 20_000, drawings: int = 5_000) -> Materials:
    """MNIST's training images from `folder`, and drawings made on the spot (about 800/s).

    mnist: how many of its 55,000 images are replayed; drawings: how many are drawn in all. Raises MissingMnist.
    """
    learned, held_back = split(load_mnist(folder, train=True))
    chosen = torch.randperm(len(learned), generator=torch.Generator().manual_seed(SEED))[:mnist]
    return Materials(
        mnist=learned.take(chosen),
        strokes=digits(drawings * 4 // 10, SEED, training_styles()),
        outliers=outliers(drawings * 2 // 10, SEED + 1, training_kinds()),
        mnist_validation=held_back,
        strokes_validation=digits(drawings * 3 // 10, SEED + 2, training_styles()),
        outliers_validation=outliers(drawings // 10, SEED + 3, training_kinds()),
    )
