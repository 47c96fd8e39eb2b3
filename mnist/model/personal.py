"""Reads a digit as its writer writes: the network's answer beside the digits that this person labelled.

A cache of the last layer's features; the idea is Grave et al., Improving Neural Language Models with a Continuous
Cache (arXiv 1612.04426). The constants were chosen by
`python -m benchmarks.personal`; docs/model.md has its figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mnist.drawing import Verdict
from mnist.model.calibration import Calibration
from mnist.model.classifier import Prediction
from mnist.model.network import DIGITS, NON_DIGIT


@dataclass(frozen=True, slots=True)
class Trust:
    """How much a person's own digits count beside the network.

    alike: cosine of two drawings' features from which they count; two digits of one kind by one person have 0.6–0.95,
    two different ones 0.2–0.5. strength: nats for each unit of cosine above it.
    """

    alike: float = 0.55
    strength: float = 35.0
    floor: float = 3e-4  # probability that every digit has at least: the network is never certain beyond that
    alike_non_digit: float = 0.65  # the same for "not a digit", where more is needed: scribbles resemble many digits
    firm: float = 7.0  # log odds: the most that the network's refusal weighs
    noticed: float = 1.0  # nats from which the answer is said to be personal


TRUST = Trust()


@dataclass(frozen=True, slots=True, eq=False)
class Hand:
    """One person's own labelled digits as one version of the network sees them."""

    model_version: int
    features: np.ndarray  # (n, D) float32 of unit length, n may be 0
    classes: np.ndarray  # (n,) int: 0..9, or 10 for "not a digit"


def read_in_hand(
    predictions: list[Prediction], features: np.ndarray, hand: Hand, calibration: Calibration, trust: Trust = TRUST
) -> list[Prediction]:
    """The predictions for some frames of one person, turned by what that person has labelled.

    features: (N, D) float32, one row for each prediction. A hand of another version counts for nothing; a frame that
    resembles none of the person's own keeps its prediction as it is.
    """
    if not len(hand.classes) or not predictions or predictions[0].model_version != hand.model_version:
        return predictions
    cosines = unit(features) @ hand.features.T
    nearest = cosines.max(axis=1).tolist()
    return [
        prediction if near <= trust.alike else _turned(prediction, _by_class(row, hand.classes), calibration, trust)
        for prediction, row, near in zip(predictions, cosines, nearest, strict=True)
    ]


def unit(features: np.ndarray) -> np.ndarray:
    """(N, D) → (N, D) rows of unit length; zeros stay zeros."""
    lengths = np.sqrt(np.einsum("nd,nd->n", features, features))
    rows: np.ndarray = features / np.maximum(lengths, np.float32(1e-12))[:, None]
    return rows


def _by_class(cosines: np.ndarray, classes: np.ndarray) -> list[float]:
    """Of each of the eleven classes the largest cosine; 0 where the person labelled none."""
    nearest = np.zeros(NON_DIGIT + 1)
    np.maximum.at(nearest, classes, cosines)
    return list(nearest.tolist())


def _turned(prediction: Prediction, nearest: list[float], calibration: Calibration, trust: Trust) -> Prediction:
    evidence = [trust.strength * max(0.0, cosine - trust.alike) for cosine in nearest[:DIGITS]]
    most = max(evidence)
    probabilities = prediction.probabilities
    if most > 0:
        shares = [
            (probability + trust.floor) * math.exp(nats - most)
            for probability, nats in zip(prediction.probabilities, evidence, strict=True)
        ]
        whole = sum(shares)
        probabilities = tuple(share / whole for share in shares)
    shift = trust.strength * (
        max(0.0, nearest[NON_DIGIT] - trust.alike_non_digit) - max(0.0, max(nearest[:DIGITS]) - trust.alike_non_digit)
    )
    score = prediction.non_digit_score
    if shift:
        firmest = calibration.non_digit_threshold + trust.firm
        is_too_wide = prediction.verdict == Verdict.NOT_A_DIGIT and score < calibration.non_digit_threshold
        score = (firmest if is_too_wide else min(score, firmest)) + shift
    elif prediction.verdict == Verdict.NOT_A_DIGIT:
        score = max(score, calibration.non_digit_threshold)  # too wide stays too wide
    return replace(
        prediction,
        probabilities=probabilities,
        non_digit_score=score,
        verdict=calibration.verdict(max(probabilities), score),
        is_personal=max(most, abs(shift)) >= trust.noticed,
    )
