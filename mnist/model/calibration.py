"""The calibration of a network: the temperature and the thresholds that turn logits into probabilities and verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist.drawing import Verdict
from mnist.model.network import DIGITS

REFUSED_IN_VALIDATION = 0.005  # share of digits that the threshold may refuse on the data that it is fitted on
SURE = 0.80  # confidence; below it four answers in ten are wrong (validation), so they are put as questions


@dataclass(frozen=True, slots=True)
class Calibration:
    """Turns logits into probabilities and verdicts."""

    temperature: float  # divides the ten digit logits before softmax
    non_digit_threshold: float  # non-digit score from which a drawing is refused
    unsure_threshold: float  # confidence below which the answer is offered as a question

    def probabilities(self, logits: Tensor) -> Tensor:
        """(N, 11) logits -> (N, 10) float64 probabilities of each digit, given that it is one; rows sum to 1."""
        return F.softmax(logits[:, :DIGITS].double() / self.temperature, dim=1)

    def read(self, logits: Sequence[float]) -> tuple[tuple[float, ...], float]:
        """One drawing's eleven logits -> ten probabilities and the non-digit score.

        It computes what `probabilities` and `non_digit_score` do, but without tensors, which would take a tenth of a
        whole recognition's time.
        """
        most = max(logits[:DIGITS])
        shares = [math.exp((logit - most) / self.temperature) for logit in logits[:DIGITS]]
        whole = sum(shares)
        together = most + math.log(sum(math.exp(logit - most) for logit in logits[:DIGITS]))
        return tuple(share / whole for share in shares), logits[DIGITS] - together

    def verdict(self, confidence: float, score: float) -> Verdict:
        """The verdict on a drawing by its likeliest digit's probability and its non-digit score."""
        if score >= self.non_digit_threshold:
            return Verdict.NOT_A_DIGIT
        return Verdict.UNSURE if confidence < self.unsure_threshold else Verdict.DIGIT


def non_digit_score(logits: Tensor) -> Tensor:
    """(N, 11) logits -> (N,) log odds of "not a digit" against all ten digits together; 0 means even odds."""
    # The digits' logsumexp is any digit's logit minus its log-softmax: one PyTorch operation instead of eight.
    return logits[:, DIGITS] - logits[:, 0] + F.log_softmax(logits[:, :DIGITS], dim=1)[:, 0]


def calibrate(logits: Tensor, labels: Tensor) -> Calibration:
    """Fit the temperature by likelihood and set the refusal threshold, on digits that were not trained on.

    logits: (N, 11) of digits only; labels: (N,) 0..9.
    """
    threshold = torch.quantile(non_digit_score(logits).double(), 1 - REFUSED_IN_VALIDATION).item()
    return Calibration(temperature=_temperature(logits, labels), non_digit_threshold=threshold, unsure_threshold=SURE)


def _temperature(logits: Tensor, labels: Tensor) -> float:
    """Golden-section search of the negative log likelihood, which has one minimum in the temperature."""

    def loss(log_temperature: float) -> float:
        scaled = logits[:, :DIGITS].double() / torch.tensor(log_temperature, dtype=torch.float64).exp()
        return F.cross_entropy(scaled, labels).item()

    low, high, ratio = -2.5, 2.5, 0.6180339887
    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(torch.tensor((low + high) / 2).exp())
