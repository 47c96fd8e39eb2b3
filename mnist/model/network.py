"""The network: layers only."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

DIGITS = 10
NON_DIGIT = 10  # the eleventh logit: scribbles, letters, doodles, several digits at once
CLASSES = 11


def convolution(inputs: int, outputs: int, size: int = 3, padding: int = 1, pool: bool = False) -> nn.Sequential:
    """Convolution, batch norm, ReLU; with `pool` the map is halved before the norm, which saves 3/4 of its work."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, size, padding=padding, bias=False)]
    if pool:
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """x + convolution(x), same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class DigitNetwork(nn.Module):
    """(N, 1, 28, 28) float in 0..1, ink = 1 -> (N, 11) logits: ten digits, then "not a digit"."""

    def __init__(self, widths: tuple[int, int, int] = (24, 64, 96)) -> None:
        super().__init__()
        self.widths = widths
        first, second, third = widths
        self.layers = nn.Sequential(
            OrderedDict(
                stem=convolution(1, first, size=5, padding=0, pool=True),  # 12 x 12; the margin needs no padding
                middle=convolution(first, second, pool=True),  # 6 x 6
                deep=convolution(second, third),
                deeper=Residual(third),
                shrink=nn.MaxPool2d(2),  # 3 x 3, not 1 x 1: a stroke's position still counts
                flat=nn.Flatten(),
                head=nn.Linear(third * 9, CLASSES),
            )
        )

    def forward(self, frames: Tensor) -> Tensor:
        logits: Tensor = self.layers(frames)
        return logits

    def look(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1, 28, 28) float in 0..1 -> the logits, and the (N, D) features that the last layer makes them from."""
        *below, head = self.layers
        features = frames
        for layer in below:
            features = layer(features)
        return head(features), features


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def as_input(frames: Tensor) -> Tensor:
    """(N, 28, 28) uint8 -> (N, 1, 28, 28) float32 in 0..1, the network's input."""
    return frames.unsqueeze(1).to(torch.float32).div_(255)
