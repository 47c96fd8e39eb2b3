from __future__ import annotations

import cv2
import numpy as np
import torch

from mnist.model.tta import tta_logits


class Eyes:
    """A network that keeps what it was shown and says what it is told to."""

    def __init__(self, says: torch.Tensor) -> None:
        self.says = says

    def __call__(self, frames: torch.Tensor) -> torch.Tensor:
        self.shown = frames
        return self.says


def bar() -> torch.Tensor:
    frame = np.zeros((28, 28), np.float32)
    frame[4:24, 12:16] = 1
    return torch.from_numpy(frame)[None, None]


def slant(frame: torch.Tensor) -> float:
    """Degrees by which the ink leans to the right."""
    moments = cv2.moments(frame.numpy())
    return float(np.degrees(0.5 * np.arctan2(-2 * moments["mu11"], moments["mu02"] - moments["mu20"])))


def test_it_looks_at_the_frame_turned_to_both_sides_and_smaller_and_larger():
    network = Eyes(torch.zeros(4, 11))

    tta_logits(network, bar(), torch.zeros(1, 11))

    views = [view[0] for view in network.shown]
    assert np.allclose([slant(view) for view in views], [-8, 8, 0, 0], atol=0.5)
    sizes = [float(view.sum() / bar().sum()) for view in views]
    assert np.allclose(sizes, [1, 1, 1.1**2, 0.9**2], atol=0.03)


def test_what_it_says_is_the_mean_log_probability_of_all_looks_and_the_eleventh_logit_stays():
    generator = torch.Generator().manual_seed(1)
    first, others = torch.randn(2, 11, generator=generator), torch.randn(8, 11, generator=generator)

    found = tta_logits(Eyes(others), bar().expand(2, 1, 28, 28), first)

    for row in range(2):
        looks = [first[row], *(others[row + 2 * view] for view in range(4))]
        mean = torch.stack([look[:10].log_softmax(dim=0) for look in looks]).mean(dim=0)
        assert torch.allclose(found[row, :10], mean, atol=1e-6)
        assert found[row, 10] == first[row, 10]
