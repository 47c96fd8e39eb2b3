"""What a picture says: one digit, or several side by side that make a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mnist.classifier import Prediction
from mnist.preprocess import BlankDrawing, Prepared, find_ink, frame_ink
from mnist.segment import split_digits


@dataclass(frozen=True, slots=True, eq=False)
class Framed:
    """A picture's ink as frames for the network: the whole first, then each digit when there are several."""

    whole: Prepared
    frames: np.ndarray  # (1, 28, 28) for a single digit, (1 + n, 28, 28) for n side by side; uint8
    touching: bool  # some of it is wider than one digit: probably two that touch


@dataclass(frozen=True, slots=True)
class Reading:
    """What the network makes of it all."""

    prediction: Prediction  # of the whole picture as one digit; its verdict speaks of the picture
    digits: tuple[Prediction, ...]  # from left to right; empty when it is not a number

    @property
    def number(self) -> str | None:
        """The digits as text: "2026"; None when it is not a number."""
        return "".join(str(each.digit) for each in self.digits) or None

    @property
    def confidence(self) -> float:
        """Of a digit, or that every digit of a number is right; 0–1."""
        if not self.digits:
            return self.prediction.confidence
        return float(np.prod([each.confidence for each in self.digits]))


def frame(pixels: np.ndarray) -> Framed:
    """Prepare a picture: (H, W), (H, W, 3) or (H, W, 4) uint8. Raises BlankDrawing when nothing is on it."""
    ink = find_ink(pixels)
    whole = frame_ink(ink)
    segments = split_digits(ink)
    frames = [whole.frame]
    if len(segments) > 1:
        try:
            frames += [frame_ink(segment.ink).frame for segment in segments]
        except BlankDrawing:  # a speck counted as a digit: no number then
            frames = [whole.frame]
    return Framed(whole, np.stack(frames), any(segment.touching for segment in segments))


def read(framed: Framed, predictions: Sequence[Prediction]) -> Reading:
    """Decide between one digit and a number.

    predictions: one for each of `framed.frames`, in order.
    A number is "not_a_digit" as a whole, and "unsure" when any of its digits is, or when digits seem to touch.
    """
    whole, digits = predictions[0], tuple(predictions[1:])
    verdicts = {digit.verdict for digit in digits}
    if digits and "not_a_digit" not in verdicts and (whole.verdict != "digit" or verdicts == {"digit"}):
        uncertain = framed.touching or "unsure" in verdicts
        return Reading(replace(whole, verdict="unsure" if uncertain else "not_a_digit"), digits)
    if framed.touching and whole.verdict == "digit":
        return Reading(replace(whole, verdict="unsure"), ())
    return Reading(whole, ())
