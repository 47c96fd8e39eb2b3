"""Replay data: images of the kinds that the shipped network knows, to train and validate on beside people's labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from mnist.training.datasets import Labelled, load_mnist, split
from mnist.training.handwriting.non_digits import non_digits, training_kinds
from mnist.training.handwriting.strokes import digits, training_styles
from mnist.training.pendigits import MissingPendigits, Writing, divide, load_pendigits, pictures

SEED = 40_000  # of the drawings; the same in every run, so that the scores of different runs are comparable


@dataclass(frozen=True, slots=True)
class ReplayData:
    """The images that a run replays, and those that it validates on, beside people's labels."""

    mnist: Labelled
    strokes: Labelled  # drawn styles, and people's strokes if they are there
    non_digits: Labelled
    mnist_validation: Labelled  # no version is trained on the three validation sets
    strokes_validation: Labelled
    non_digits_validation: Labelled


def load_replay_data(
    mnist_dir: Path, pendigits_dir: Path | None = None, *, mnist: int = 20_000, drawings: int = 5_000
) -> ReplayData:
    """Load MNIST's training images and make drawings (about 800 per second).

    pendigits_dir: where people's pen strokes may be; if they are, half of the stroke drawings are made of them, and
    otherwise all are drawn styles. Nothing of it is downloaded.
    mnist: how many of the 55,000 training images are replayed. drawings: how many are made for all sets together.
    Raises MissingMnist.
    """
    learned, held_back = split(load_mnist(mnist_dir, train=True))
    chosen = torch.randperm(len(learned), generator=torch.Generator().manual_seed(SEED))[:mnist]
    theirs, theirs_kept_back = _people(pendigits_dir)
    return ReplayData(
        mnist=learned.take(chosen),
        strokes=_strokes(drawings * 4 // 10, SEED, theirs),
        non_digits=non_digits(drawings * 2 // 10, SEED + 1, training_kinds()),
        mnist_validation=held_back,
        strokes_validation=_strokes(drawings * 3 // 10, SEED + 2, theirs_kept_back),
        non_digits_validation=non_digits(drawings // 10, SEED + 3, training_kinds()),
    )


def _people(folder: Path | None) -> tuple[list[Writing], list[Writing]]:
    """(writings to replay, writings to validate on); both empty if the strokes are not there."""
    if folder is None:
        return [], []
    try:
        learned, kept_back, _ = divide(load_pendigits(folder))
    except MissingPendigits:
        return [], []
    return learned, kept_back


def _strokes(count: int, seed: int, writings: list[Writing]) -> Labelled:
    """`count` stroke drawings, half of them of `writings` if there are any."""
    theirs = count // 2 if writings else 0
    drawn, written = digits(count - theirs, seed, training_styles()), pictures(theirs, seed + 4, writings)
    return Labelled(torch.cat([drawn.frames, written.frames]), torch.cat([drawn.labels, written.labels]))
