"""What a retraining replays and validates on beside people's labels: the images that the shipped network knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from mnist.training.datasets import Labelled, load_mnist, split
from mnist.training.handwriting.non_digits import non_digits, training_kinds
from mnist.training.handwriting.strokes import digits, training_styles

SEED = 40_000  # of the drawings: the same in every run, so that scores of different runs compare


@dataclass(frozen=True, slots=True)
class ReplayData:
    """What a run learns from and is examined on beside feedback: the kinds of images that the shipped network knows."""

    mnist: Labelled
    strokes: Labelled
    non_digits: Labelled
    mnist_validation: Labelled  # never trained on, by any version
    strokes_validation: Labelled
    non_digits_validation: Labelled


def load_replay_data(folder: Path, *, mnist: int = 20_000, drawings: int = 5_000) -> ReplayData:
    """MNIST's training images from `folder`, and drawings made on the spot (about 800/s).

    mnist: how many of its 55,000 images are replayed; drawings: how many are drawn in all. Raises MissingMnist.
    """
    learned, held_back = split(load_mnist(folder, train=True))
    chosen = torch.randperm(len(learned), generator=torch.Generator().manual_seed(SEED))[:mnist]
    return ReplayData(
        mnist=learned.take(chosen),
        strokes=digits(drawings * 4 // 10, SEED, training_styles()),
        non_digits=non_digits(drawings * 2 // 10, SEED + 1, training_kinds()),
        mnist_validation=held_back,
        strokes_validation=digits(drawings * 3 // 10, SEED + 2, training_styles()),
        non_digits_validation=non_digits(drawings // 10, SEED + 3, training_kinds()),
    )
