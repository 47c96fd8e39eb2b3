"""Images with labels: MNIST as tensors in memory, and its validation split."""

from __future__ import annotations

import contextlib
import gzip
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

VALIDATION_IMAGES = 5_000
SPLIT_SEED = 2026  # the same images are held back whatever seed trains, so that validation scores compare


class MissingMnist(RuntimeError):
    """MNIST is not on disk and could not be fetched."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images with what they show."""

    frames: Tensor  # (N, 28, 28) uint8, ink = 255
    labels: Tensor  # (N,) int64, 0..9, or 10 for "not a digit"

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Tensor) -> Labelled:
        return Labelled(self.frames[rows], self.labels[rows])


def torchvision_datasets() -> Any:
    """torchvision.datasets, imported on first use: it takes 1.5 s and only training needs it.

    The public index's torchvision for Linux is linked against CUDA; beside a CPU-only torch its import fails with
    "operator torchvision::nms does not exist" unless the two operators are declared first.
    """
    for name, schema in (
        ("nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
        ("qnms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
    ):
        if not torch.cuda.is_available():
            with contextlib.suppress(RuntimeError):  # declared already: by a torchvision that fits, or earlier here
                torch.library.define(f"torchvision::{name}", schema)
    return importlib.import_module("torchvision.datasets")


def load_mnist(folder: Path, train: bool) -> Labelled:
    """MNIST's 60,000 training or 10,000 test images.

    folder: the root that torchvision.datasets.MNIST expects; may be read-only when `MNIST/raw/*.gz` are in it, for
    those are checked (MD5) and read where they lie. Anything missing is downloaded.
    Raises MissingMnist when the images are neither there nor to be had.
    """
    datasets = torchvision_datasets()
    mnist = datasets.MNIST
    intact = importlib.import_module("torchvision.datasets.utils").check_integrity
    raw = folder / "MNIST" / "raw"
    resources = [(raw / name, md5) for name, md5 in mnist.resources if name.startswith("train" if train else "t10k")]
    if all(intact(str(path), md5) for path, md5 in resources):
        [images], [labels] = (
            [_read_idx(path) for path, _ in resources if kind in path.name] for kind in ("images", "labels")
        )
        return Labelled(images, labels.long())
    try:
        dataset = mnist(str(folder), train=train, download=True)
    except (RuntimeError, OSError) as error:
        raise MissingMnist(
            f"MNIST is not in {folder} (looked for {raw}/*.gz) and could not be downloaded: {error}. "
            "Set MNIST_DIR to a folder that holds it, or try again with a network."
        ) from error
    return Labelled(dataset.data, dataset.targets.long())


def _read_idx(path: Path) -> Tensor:
    """An IDX file of bytes: a magic number whose last byte counts the dimensions, their sizes, the values."""
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]
    shape = np.frombuffer(content, dtype=">i4", count=dimensions, offset=4)
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions)
    return torch.from_numpy(values.reshape(shape.tolist()).copy())


def split(images: Labelled, held_back: int = VALIDATION_IMAGES) -> tuple[Labelled, Labelled]:
    """(training, validation): the same `held_back` images every time."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SPLIT_SEED))
    return images.take(order[held_back:]), images.take(order[:held_back])
