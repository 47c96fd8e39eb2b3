"""Decides from the predictions for a picture's frames whether it shows one digit or a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mnist.drawing import Verdict
from mnist.model.classifier import Prediction
from mnist.vision.prepare import Framed


@dataclass(frozen=True, slots=True)
class Reading:
    """The reading of a whole picture."""

    prediction: Prediction  # of the whole picture as one digit, with the verdict on the picture
    digits: tuple[Prediction, ...]  # from left to right; empty when it is not a number

    @property
    def number(self) -> str | None:
        """The digits as text: "2026"; None when it is not a number."""
        return "".join(str(each.digit) for each in self.digits) or None

    @property
    def confidence(self) -> float:
        """Probability that the digit, or every digit of the number, is right; 0–1."""
        if not self.digits:
            return self.prediction.confidence
        return float(np.prod([each.confidence for each in self.digits]))


def read(framed: Framed, predictions: Sequence[Prediction]) -> Reading:
    """Decide between one digit and a number.

    predictions: one for each of `framed.frames`, in order.
    A number is "not_a_digit" as a whole, and "unsure" when any of its digits is, or when digits seem to touch.
    """
    whole, digits = predictions[0], tuple(predictions[1:])
    verdicts = {digit.verdict for digit in digits}
    are_digits = bool(digits) and Verdict.NOT_A_DIGIT not in verdicts
    if are_digits and (whole.verdict != Verdict.DIGIT or verdicts == {Verdict.DIGIT}):
        uncertain = framed.touching or Verdict.UNSURE in verdicts
        return Reading(replace(whole, verdict=Verdict.UNSURE if uncertain else Verdict.NOT_A_DIGIT), digits)
    if framed.touching and whole.verdict == Verdict.DIGIT:
        return Reading(replace(whole, verdict=Verdict.UNSURE), ())
    return Reading(whole, ())
