"""Why the network reads a digit as it does: the ink that its answer hangs on, and what its layers see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mnist.model.network import DIGITS, DigitNetwork, as_input

PATCH = 5  # px: side of the square that is wiped out
STEP = 2  # px from one square to the next


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Of one answer.

    importance: (28, 28) float32: by how much the digit's log odds fall when the ink around is wiped out; below 0 they
    rise. 0 where no ink is. maps: (C, H, W) float32 from 0 up for each layer, first to last: where it finds its C
    patterns, and how clearly.
    """

    importance: np.ndarray
    maps: tuple[np.ndarray, ...]


@torch.inference_mode()
def explain(network: DigitNetwork, frame: np.ndarray, digit: int) -> Explanation:
    """Explain the answer `digit`, 0–9, for a frame. network: in eval mode. frame: (28, 28) uint8."""
    return Explanation(_importance(network, frame, digit), _maps(network, frame))


def _importance(network: DigitNetwork, frame: np.ndarray, digit: int) -> np.ndarray:
    """Occlusion (Zeiler and Fergus, https://arxiv.org/abs/1311.2901): wipe each square out, and ask again."""
    starts = range(1 - PATCH, len(frame), STEP)
    squares = [np.s_[max(0, top) : top + PATCH, max(0, left) : left + PATCH] for top in starts for left in starts]
    squares = [square for square in squares if frame[square].any()]
    wiped = np.repeat(frame[None], len(squares) + 1, axis=0)
    for number, square in enumerate(squares):
        wiped[number][square] = 0
    odds = _log_odds(network(as_input(torch.from_numpy(wiped))), digit).numpy()  # the last: nothing wiped out
    total, count = np.zeros(frame.shape, np.float32), np.zeros(frame.shape, np.float32)
    for square, after in zip(squares, odds[:-1], strict=True):
        total[square] += odds[-1] - after
        count[square] += 1
    return np.where(frame > 0, total / np.maximum(count, 1), 0).astype(np.float32)


def _log_odds(logits: Tensor, digit: int) -> Tensor:
    """(N, 11) logits -> (N,) log odds of one digit against the nine others."""
    others = [each for each in range(DIGITS) if each != digit]
    return logits[:, digit] - logits[:, others].logsumexp(dim=1)


def _maps(network: DigitNetwork, frame: np.ndarray) -> tuple[np.ndarray, ...]:
    seen, maps = as_input(torch.from_numpy(frame[None])), []
    for name, layer in network.layers.named_children():
        if name == "shrink":  # from here on numbers, no pictures
            break
        seen = layer(seen)
        maps.append(seen[0].numpy().copy())  # the next layer may change it in place
    return tuple(maps)
