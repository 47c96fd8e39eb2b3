"""Augmentation of whole batches: affine, elastic, stroke thickness."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


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
