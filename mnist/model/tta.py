"""Test-time augmentation: averages the answers to an unsure frame and to four slightly turned or scaled copies.

One drawing in fifty to a hundred and fifty is unsure; up to a third of the mistakes among them are corrected
(docs/model.md).
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
    """Average the digits' log probabilities over five views of each frame; the non-digit logit stays as it was.

    network: (N, 1, 28, 28) -> (N, 11) logits. frames: (N, 1, 28, 28) float in 0..1, its input. logits: (N, 11), its
    answer to the frames themselves. Returns (N, 11).
    """
    views = torch.cat([_warped(frames, matrix) for matrix in _MATRICES])
    answers = torch.cat([logits, network(views).float()])[:, :DIGITS]
    mean = F.log_softmax(answers, dim=1).view(len(_MATRICES) + 1, len(frames), DIGITS).mean(dim=0)
    return torch.cat([mean, logits[:, DIGITS:]], dim=1)


def _warped(frames: Tensor, matrix: Tensor) -> Tensor:
    places = F.affine_grid(matrix.expand(len(frames), 2, 3), list(frames.shape), align_corners=False)
    return F.grid_sample(frames, places, align_corners=False)


def _matrix(degrees: float, scale: float) -> Tensor:
    """(2, 3) affine matrix that turns about the centre and enlarges by the factor `scale`."""
    cosine, sine = math.cos(math.radians(degrees)) / scale, math.sin(math.radians(degrees)) / scale
    return torch.tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]])


_MATRICES = (_matrix(TURN, 1), _matrix(-TURN, 1), _matrix(0, 1 + SCALE), _matrix(0, 1 - SCALE))
