"""A second look at what the network is unsure of: the frame turned and scaled a little, and the mean of all answers.

One drawing in fifty to a hundred and fifty is unsure; it puts up to a third of their mistakes right (docs/model.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist.model.network import DIGITS

TURN = 8  # degrees, to either side
SCALE = 0.1  # smaller and larger by this share


def tta_logits(network: Callable[[Tensor], Tensor], frames: Tensor, logits: Tensor) -> Tensor:
    """The logits of the ten digits, as the mean of the log probabilities of five looks; the eleventh as it was.

    frames: (N, 1, 28, 28), the network's input; logits: (N, 11), what it said at first. Returns (N, 11).
    """
    views = torch.cat([_seen(frames, matrix) for matrix in _MATRICES])
    looks = torch.cat([logits, network(views).float()])[:, :DIGITS]
    mean = F.log_softmax(looks, dim=1).view(len(_MATRICES) + 1, len(frames), DIGITS).mean(dim=0)
    return torch.cat([mean, logits[:, DIGITS:]], dim=1)


def _seen(frames: Tensor, matrix: Tensor) -> Tensor:
    places = F.affine_grid(matrix.expand(len(frames), 2, 3), list(frames.shape), align_corners=False)
    return F.grid_sample(frames, places, align_corners=False)


def _matrix(degrees: float, scale: float) -> Tensor:
    """(2, 3): turned about the centre, and larger by `scale`."""
    cosine, sine = math.cos(math.radians(degrees)) / scale, math.sin(math.radians(degrees)) / scale
    return torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]])


_MATRICES = (_matrix(TURN, 1), _matrix(-TURN, 1), _matrix(0, 1 + SCALE), _matrix(0, 1 - SCALE))
