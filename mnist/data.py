"""Training images: MNIST as tensors in memory, its validation split, and augmentation of whole batches."""

from __future__ import annotations

import contextlib
import gzip
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
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


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far a batch is bent; every value is the largest, drawn uniformly up to it for each image."""

    rotation: float = 10.0  # degrees
    shear: float = 0.18  # horizontal, as slanted handwriting
    scale: float = 0.1  # each axis by itself
    shift: float = 1.2  # pixels
    elastic: float = 0.7  # pixels that a control point of the 5 x 5 grid wanders (standard deviation)
    thickness: float = 0.25  # share of images made thicker or thinner

    def scaled(self, share: float) -> Augmentation:
        return Augmentation(*(getattr(self, name) * share for name in self.__slots__))


def augment(frames: Tensor, how: Augmentation, generator: torch.Generator) -> Tensor:
    """Bend every image its own way: affine and elastic in one resampling, then stroke thickness.

    frames: (N, 1, 28, 28) float in 0..1; so is the result.
    """
    count, _, height, width = frames.shape

    def draw(most: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * most

    angle, shear = torch.deg2rad(draw(how.rotation)), draw(how.shear)
    across, down = torch.exp(draw(how.scale)), torch.exp(draw(how.scale))
    cos, sin = torch.cos(angle), torch.sin(angle)
    theta = torch.stack(
        [
            torch.stack([cos * across, (shear * cos - sin) * down, draw(how.shift * 2 / width)], dim=1),
            torch.stack([sin * across, (shear * sin + cos) * down, draw(how.shift * 2 / height)], dim=1),
        ],
        dim=1,
    )  # (N, 2, 3)
    grid = F.affine_grid(theta.to(frames.device), list(frames.shape), align_corners=False)
    if how.elastic > 0:
        wander = torch.randn(count, 2, 5, 5, generator=generator) * (how.elastic * 2 / width)
        bent = F.interpolate(wander.to(frames.device), size=(height, width), mode="bicubic", align_corners=True)
        grid = grid + bent.permute(0, 2, 3, 1)
    frames = F.grid_sample(frames, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return _vary_thickness(frames, how.thickness, generator)


def _vary_thickness(frames: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Blend some images with their 3 x 3 dilation or erosion, by an amount of each image's own."""
    chosen = torch.nonzero(torch.rand(len(frames), generator=generator) < share).flatten()
    half = len(chosen) // 2
    for rows, thicker in ((chosen[:half], True), (chosen[half:], False)):
        if len(rows) == 0:
            continue
        amount = torch.rand(len(rows), 1, 1, 1, generator=generator).to(frames.device)
        amount = amount if thicker else amount * 0.7  # a full erosion would wipe out thin strokes
        ink = frames[rows]
        changed = F.max_pool2d(ink, 3, 1, 1) if thicker else -F.max_pool2d(-ink, 3, 1, 1)
        frames[rows] = ink + amount * (changed - ink)
    return frames
