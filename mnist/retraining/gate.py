"""The gate: measures a candidate and lists the reasons why it may not replace the active version."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mnist.drawing import plural
from mnist.model.calibration import Calibration, non_digit_score
from mnist.model.network import DigitNetwork
from mnist.retraining import exam
from mnist.retraining.replay_data import ReplayData
from mnist.training.datasets import Labelled
from mnist.training.evaluation import accuracy, by_class, calibration_error, is_right, logits_of

MNIST_MAY_LOSE = 0.001  # accuracy on MNIST's validation images
CLASS_MAY_LOSE = 0.005  # the same for the images of one digit
STROKES_MAY_LOSE = 0.006  # accuracy on the validation drawings, which depend on nobody's labels; one of 1,500 is 0.0007
CALIBRATION_MAY_LOSE = 0.003  # calibration error; two samples of the validation drawings differ by about as much
REFUSALS_MAY_RISE = 0.002  # share of digits called "not a digit"
CATCH_MAY_FALL = 0.015  # share of non-digits called "not a digit"; one of 500 drawings is 0.002
ENOUGH = 100  # weight of held-out labels from which the paired test decides; with less, not one more may be misread
WORSE = 0.2  # p-value up to which the candidate counts as worse; high, because keeping the old version is harmless
MUCH_WORSE = 0.1  # the same where the network that wins most is left out, which makes the others look worse


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """One network's scores on data that no version was trained on."""

    mnist: float  # accuracies and shares are 0..1
    classes: tuple[float, ...]  # accuracy on each digit of MNIST's validation images, ten
    strokes: float  # accuracy on the validation drawings
    calibration_error: float
    refused: float  # share of digits called "not a digit"
    caught: float  # share of non-digits called "not a digit"
    held_out_right: Tensor  # (N,) bool, for each held-out label

    @property
    def user_drawn(self) -> float | None:
        """Accuracy on held-out feedback; None when there is none."""
        return self.held_out_right.double().mean().item() if len(self.held_out_right) else None

    def as_metrics(self) -> dict[str, Any]:
        return {
            "user_drawn": _rounded(self.user_drawn),
            "mnist_validation": _rounded(self.mnist),
            "strokes_validation": _rounded(self.strokes),
            "calibration_error": _rounded(self.calibration_error),
            "refused": _rounded(self.refused),
            "outliers_caught": _rounded(self.caught),
        }


def evaluate(
    network: DigitNetwork, calibration: Calibration, replay_data: ReplayData, held_out: Labelled
) -> Evaluation:
    """Score a network on the validation images and the hold-out set, which no version was trained on."""
    mnist, strokes = replay_data.mnist_validation, replay_data.strokes_validation
    mnist_logits, strokes_logits = logits_of(network, mnist.frames), logits_of(network, strokes.frames)
    logits, labels = torch.cat([mnist_logits, strokes_logits]), torch.cat([mnist.labels, strokes.labels])
    right = is_right(mnist_logits, mnist.labels)
    scores = non_digit_score(logits_of(network, replay_data.non_digits_validation.frames))
    return Evaluation(
        mnist=right.double().mean().item(),
        classes=tuple(by_class(right, mnist.labels)),
        strokes=accuracy(strokes_logits, strokes.labels),
        calibration_error=calibration_error(calibration.probabilities(logits), labels),
        refused=(non_digit_score(logits) >= calibration.non_digit_threshold).double().mean().item(),
        caught=(scores >= calibration.non_digit_threshold).double().mean().item(),
        held_out_right=read_right(network, held_out),
    )


def failures(base: Evaluation, active: Evaluation, candidate: Evaluation, held_out: exam.Change) -> list[str]:
    """The reasons why the candidate may not be served; none if it may. held_out: from the active to the candidate.

    The candidate is compared with the active version, so that nobody is served worse than before, and with the base
    that all versions start from, so that small losses can't add up over the years.
    """
    found = []
    best = max(base.mnist, active.mnist)
    if candidate.mnist < best - MNIST_MAY_LOSE:
        found.append(f"MNIST falls from {best:.2%} to {candidate.mnist:.2%}")
    for digit, after in enumerate(candidate.classes):
        before = max(base.classes[digit], active.classes[digit])
        if after < before - CLASS_MAY_LOSE:
            found.append(f"MNIST's {digit}s fall from {before:.2%} to {after:.2%}")
    best = max(base.strokes, active.strokes)
    if candidate.strokes < best - STROKES_MAY_LOSE:
        found.append(f"drawn digits fall from {best:.2%} to {candidate.strokes:.2%}")
    if says_worse(held_out):
        lost, won = round(held_out.lost), round(held_out.won)
        chance = f" (p = {chance_of(lost, won):.2f})" if held_out.of >= ENOUGH else ""
        blockers = plural(held_out.blocked_by, "session")
        found.append(f"held-out feedback gets worse: {lost} lost, {won} won{chance}, by {blockers}")
    calibration_before = min(base.calibration_error, active.calibration_error)
    if candidate.calibration_error > calibration_before + CALIBRATION_MAY_LOSE:
        found.append(f"calibration error rises from {calibration_before:.2%} to {candidate.calibration_error:.2%}")
    refused_before = min(base.refused, active.refused)
    if candidate.refused > refused_before + REFUSALS_MAY_RISE:
        found.append(f"digits refused rise from {refused_before:.2%} to {candidate.refused:.2%}")
    caught_before = max(base.caught, active.caught)
    if candidate.caught < caught_before - CATCH_MAY_FALL:
        found.append(f"non-digits caught fall from {caught_before:.1%} to {candidate.caught:.1%}")
    return found


def says_worse(held_out: exam.Change) -> bool:
    """Whether the held-out labels speak against a candidate."""
    if chance_of(round(held_out.others_lost), round(held_out.others_won)) <= MUCH_WORSE:
        return True  # one network alone would get it through
    if held_out.of >= ENOUGH:
        return chance_of(round(held_out.lost), round(held_out.won)) <= WORSE
    return held_out.lost > held_out.won + 0.01  # sums of thirds and tenths


def chance_of(lost: int, won: int) -> float:
    """p-value of the exact one-sided McNemar test: chance of `lost` or more losses in `lost + won` changed answers."""
    changed = lost + won
    chance: float = sum(math.comb(changed, k) for k in range(lost, changed + 1)) / 2**changed
    return chance


def read_right(network: DigitNetwork, images: Labelled) -> Tensor:
    """(N,) bool: whether the network reads each image right; N may be 0."""
    if len(images) == 0:
        return torch.zeros(0, dtype=torch.bool)
    return is_right(logits_of(network, images.frames), images.labels)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Two networks' metrics as a phrase for people: "user-drawn 96.1 → 98.7 %, MNIST 99.76 → 99.75 %"."""
    parts = []
    if before["user_drawn"] is not None and after["user_drawn"] is not None:
        parts.append(f"user-drawn {100 * before['user_drawn']:.1f} → {100 * after['user_drawn']:.1f} %")
    parts.append(f"MNIST {100 * before['mnist_validation']:.2f} → {100 * after['mnist_validation']:.2f} %")
    return ", ".join(parts)
