"""Replay data: images of the kinds that the shipped network knows, to train and validate on beside people's labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from mnist.training.datasets import Labelled, load_mnist, split
from mnist.training.handwriting.non_digits import non_digits, training_kinds
from mnist.training.handwriting.strokes import digits, training_styles

SEED = 40_000  # of the drawings; the same in every run, so that the scores of different runs are comparable


@dataclass(frozen=True, slots=True)
class ReplayData:
    """The images that a run replays, and those that it validates on, beside people's labels."""

    mnist: Labelled
    strokes: Labelled
    non_digits: Labelled
    mnist_validation: Labelled  # no version is trained on the three validation sets
    strokes_validation: Labelled
    non_digits_validation: Labelled


def load_replay_data(folder: Path, *, mnist: int = 20_000, drawings: int = 5_000) -> ReplayData:
    """Load MNIST's training images from `folder` and make drawings (about 800 per second).

    mnist: how many of the 55,000 training images are replayed. drawings: how many are made for all sets together.
    Raises MissingMnist.
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
