from __future__ import annotations

import torch

from mnist.model.network import CLASSES, DigitNetwork, as_input, parameter_count


def test_frames_go_in_and_eleven_logits_come_out():
    frames = torch.randint(0, 256, (3, 28, 28), dtype=torch.uint8)

    logits = DigitNetwork()(as_input(frames))

    assert tuple(logits.shape) == (3, CLASSES)
    assert torch.isfinite(logits).all()


def test_input_is_scaled_to_0_1_and_the_frames_stay_as_they_are():
    frames = torch.full((1, 28, 28), 255, dtype=torch.uint8)

    scaled = as_input(frames)

    assert tuple(scaled.shape) == (1, 1, 28, 28)
    assert scaled.max() == 1.0
    assert frames.max() == 255


def test_the_network_stays_small():
    assert parameter_count(DigitNetwork()) < 400_000


def test_every_part_of_the_frame_reaches_the_logits():
    network = DigitNetwork().eval()
    frames = torch.rand(1, 1, 28, 28, requires_grad=True)

    network(frames).square().sum().backward()

    assert (frames.grad.abs()[0, 0, 2:26, 2:26] > 0).float().mean() > 0.95
