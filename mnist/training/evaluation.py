"""How well a network does: accuracy, calibration error, ranking of non-digits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist.model.calibration import Calibration, non_digit_score
from mnist.model.network import DIGITS, as_input


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Expected calibration error, 0..1: the mean gap between confidence and accuracy over equally wide bins."""
    confidence, guess = probabilities.max(dim=1)
    right = (guess == labels).double()
    which = (confidence * bins).long().clamp(max=bins - 1)
    error = 0.0
    for number in range(bins):
        inside = which == number
        if inside.any():
            gap = (confidence[inside].mean() - right[inside].mean()).abs().item()
            error += gap * inside.double().mean().item()
    return error


def area_under_roc(digits: Tensor, others: Tensor) -> float:
    """Chance that a random non-digit scores higher than a random digit. Both (N,) outlier scores."""
    scores = torch.cat([digits, others]).double()
    ranks = torch.empty_like(scores)
    ranks[scores.argsort()] = torch.arange(1, len(scores) + 1, dtype=torch.float64)
    above = ranks[len(digits) :].sum().item() - len(others) * (len(others) + 1) / 2
    return above / (len(digits) * len(others))


@torch.inference_mode()
def logits_of(network: nn.Module, frames: Tensor, device: torch.device | None = None) -> Tensor:
    """(N, 28, 28) uint8 -> (N, 11) float32 logits on the CPU."""
    device = device or next(network.parameters()).device
    network.eval()
    batches = [
        network(as_input(part).to(device, memory_format=torch.channels_last)).float().cpu()
        for part in frames.split(500)
    ]
    return torch.cat(batches)


def is_right(logits: Tensor, labels: Tensor) -> Tensor:
    """(N, 11), (N,) -> (N,) bool: the likeliest digit is the label, whatever the eleventh logit says."""
    return logits[:, :DIGITS].argmax(dim=1) == labels


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of images that are read right."""
    return is_right(logits, labels).double().mean().item()


@dataclass(frozen=True, slots=True)
class Scores:
    """How a network does on one set of digits."""

    accuracy: float
    calibration_error: float  # 0..1, of the calibrated probabilities
    refused: float  # share of digits called "not a digit"
    unsure: float


def score(logits: Tensor, labels: Tensor, calibration: Calibration) -> Scores:
    """logits: (N, 11) of digits; labels: (N,) 0..9."""
    probabilities = calibration.probabilities(logits)
    refused = non_digit_score(logits) >= calibration.non_digit_threshold
    unsure = (probabilities.amax(dim=1) < calibration.unsure_threshold) & ~refused
    return Scores(
        accuracy=accuracy(logits, labels),
        calibration_error=calibration_error(probabilities, labels),
        refused=refused.double().mean().item(),
        unsure=unsure.double().mean().item(),
    )


def expected_accuracy(calibration: Calibration, logits: Tensor, labels: Tensor) -> float:
    """Mean probability of the right digit: what the accuracy would be if every answer were drawn by its probability."""
    return calibration.probabilities(logits)[torch.arange(len(labels)), labels].mean().item()


def by_class(right: Tensor, labels: Tensor) -> list[float]:
    """Accuracy on each of the ten digits, 0..1; 1 for a digit that does not occur. Both (N,), right is bool."""
    chosen = [right[labels == digit] for digit in range(DIGITS)]
    return [part.double().mean().item() if len(part) else 1.0 for part in chosen]


@torch.inference_mode()
def features_of(network: nn.Module, frames: Tensor) -> Tensor:
    """(N, 28, 28) uint8 -> (N, D) float32 of unit length: what the network's last layer sees of each image."""
    *_, head = (module for module in network.modules() if isinstance(module, nn.Linear))
    features = torch.empty(len(frames), head.in_features)
    filled = 0

    def keep(_: nn.Module, inputs: tuple[Tensor]) -> None:
        nonlocal filled
        first, filled = filled, filled + len(inputs[0])
        F.normalize(inputs[0], dim=1, out=features[first:filled])

    watch = head.register_forward_pre_hook(keep)
    try:
        logits_of(network, frames)
    finally:
        watch.remove()
    return features
