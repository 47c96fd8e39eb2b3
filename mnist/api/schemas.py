"""Pydantic models of request and response bodies, from which the OpenAPI document is made."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from mnist.drawing import Verdict
from mnist.model.model_card import ModelCard
from mnist.recognition.recogniser import Recognition
from mnist.vision import picture_formats

MAX_BATCH = 256
Share = Annotated[float, Field(ge=0, le=1)]
Label = Annotated[
    Any,  # validated by mnist.drawing.parse_label, whose message explains what a label is
    WithJsonSchema({"anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 9},
        {"type": "string", "pattern": "^[0-9]{2,32}$", "description": "a whole number of several digits"},
        {"type": "null", "description": "not a digit"},
    ]}),
]  # fmt: skip
Picture = Annotated[
    str,
    Field(
        description=f"A {picture_formats.names()} file in base64, or as a data URL.",
        json_schema_extra={"format": "byte"},
    ),
]


class PictureBody(BaseModel):
    """One picture."""

    image: Picture


class LabelledPictureBody(PictureBody):
    """One picture and its label."""

    label: Label


class BatchBody(BaseModel):
    """Many pictures."""

    images: Annotated[list[Picture | PictureBody], Field(max_length=MAX_BATCH)]


class LabelBody(BaseModel):
    """The label of a drawing: 0–9, or null for "not a digit"."""

    label: Label


class DigitAnswer(BaseModel):
    """One of several digits side by side."""

    digit: Annotated[int, Field(ge=0, le=9)]
    confidence: Share


class PredictionAnswer(BaseModel):
    """The network's prediction for one picture."""

    model_config = ConfigDict(protected_namespaces=())

    id: uuid.UUID
    digit: Annotated[int, Field(ge=0, le=9)] | None
    confidence: Share
    probabilities: Annotated[list[Share], Field(min_length=10, max_length=10, description="Indexed by digit.")]
    verdict: Verdict
    model_version: int
    stored: Annotated[bool, Field(description="Whether feedback by this id is possible.")]
    number: Annotated[str, Field(description="Only for several digits side by side: all of them.")] = ""
    digits: Annotated[list[DigitAnswer], Field(description="Only for several digits, from left to right.")] = []
    boxes: Annotated[
        list[Annotated[list[float], Field(min_length=4, max_length=4)]],
        Field(description="Left, top, width and height of each digit that was read, as shares of the picture's sides."),
    ] = []
    personal: Annotated[
        bool,
        Field(
            description="Only if true: what this X-Session-Id labelled counted, so that others may get another answer "
            "for the same picture."
        ),
    ] = False

    @classmethod
    def of(cls, found: Recognition) -> PredictionAnswer:
        answer = cls.model_construct(
            id=found.drawing.id,
            digit=found.drawing.predicted_digit,
            confidence=found.drawing.confidence,
            probabilities=list(found.drawing.probabilities),
            verdict=found.drawing.verdict,
            model_version=found.drawing.model_version,
            stored=found.is_stored,
        )
        if found.boxes:
            answer.boxes = [[round(share, 4) for share in box] for box in found.boxes]
        if found.is_personal:
            answer.personal = True
        if found.drawing.predicted_number is not None:
            answer.number = found.drawing.predicted_number
            answer.digits = [DigitAnswer(digit=each.digit, confidence=each.confidence) for each in found.digits]
        return answer

    @classmethod
    def of_blank(cls, model: ModelCard) -> PredictionAnswer:
        """The prediction for a blank picture: all digits equally likely, and not stored."""
        return cls.model_construct(
            id=uuid.uuid4(),
            digit=None,
            confidence=0.1,
            probabilities=[0.1] * 10,
            verdict=Verdict.BLANK,
            model_version=model.version,
            stored=False,
        )


class BatchAnswer(BaseModel):
    """One prediction for each picture, in the order of the pictures."""

    predictions: list[PredictionAnswer]


class StoredAnswer(BaseModel):
    """The id of the new drawing."""

    id: uuid.UUID


class ModelAnswer(BaseModel):
    """The active version of the network."""

    version: int
    trained_at: datetime | None
    trained_from: str
    metrics: dict[str, Any]


class ErrorAnswer(BaseModel):
    """Why a request failed."""

    error: Annotated[str, Field(description="What is wrong and how to mend it.")]
