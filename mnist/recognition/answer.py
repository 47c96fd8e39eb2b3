"""A picture on its way to its answer: checked and framed, and then read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mnist.drawing import Drawing, Origin, Verdict
from mnist.model.classifier import Prediction
from mnist.model.numbers import Reading
from mnist.vision.prepare import Box, Framed


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """The answer about one picture."""

    drawing: Drawing  # as it is, or would be, stored
    prediction: Prediction
    frame: np.ndarray  # (28, 28) uint8, what the network saw
    is_stored: bool  # False: the database was away
    digits: tuple[Prediction, ...] = ()  # of a number, left to right; empty for a single digit
    boxes: tuple[Box, ...] = ()  # of each digit that was read, as shares of the picture's width and height
    is_personal: bool = False  # whether the person's own labelled drawings counted


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture that is decoded, checked and framed, but not classified yet."""

    image: bytes  # PNG, as it was drawn
    framed: Framed
    origin: Origin
    person: str | None = None  # whose own labels count; None: nobody's


def person_of(origin: Origin) -> str | None:
    """The session, where it is one person's."""
    return origin.session_id if origin.is_one_person else None


def as_recognition(picture: Picture, reading: Reading) -> Recognition:
    """The answer as it would be stored."""
    prediction = reading.prediction
    is_one_digit = prediction.verdict != Verdict.NOT_A_DIGIT and reading.number is None
    drawing = Drawing(
        image=picture.image,
        source=picture.origin.source,
        session_id=picture.origin.session_id,
        network=picture.origin.network,
        predicted_digit=prediction.digit if is_one_digit else None,
        predicted_number=reading.number,
        confidence=reading.confidence,
        probabilities=prediction.probabilities,
        verdict=prediction.verdict,
        model_version=prediction.model_version,
    )
    seen = picture.framed.frames[reading.frame]
    return Recognition(
        drawing,
        prediction,
        seen,
        is_stored=False,
        digits=reading.digits,
        boxes=reading.boxes,
        is_personal=any(digit.is_personal for digit in reading.digits or (prediction,)),
    )
