"""The use case: prepare a picture, classify it, store it; and take a person's word for what it was."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from mnist.classifier import Classifier, Prediction
from mnist.images import decode, encode_png
from mnist.preprocess import prepare
from mnist.repository import Drawing, Repository, StorageUnavailable, UnknownPrediction, parse_label

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """What the program makes of one picture."""

    drawing: Drawing  # as it is, or would be, stored
    prediction: Prediction
    frame: np.ndarray  # (28, 28) uint8, what the network saw
    is_stored: bool  # False: the database was away


class Recogniser:
    """Reads pictures and keeps them. One object serves every thread of the process."""

    def __init__(self, classifier: Classifier, repository: Repository, *, max_bytes: int, max_pixels: int) -> None:
        self._classifier = classifier
        self._repository = repository
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels

    def recognise(
        self, data: bytes, *, source: str, session_id: str | None = None, grows_from: Drawing | None = None
    ) -> Recognition:
        """Read an encoded picture (PNG, JPEG or WebP) and store it with the answer.

        grows_from: the same drawing before its latest stroke, so that it stays one row.
        Raises BadImage when it can't be used and BlankDrawing when there is nothing on it; nothing is stored then. A
        database that is away does not stop the answer: see `is_stored`.
        """
        pixels = decode(data, max_bytes=self._max_bytes, max_pixels=self._max_pixels)
        prepared = prepare(pixels)
        [prediction] = self._classifier.predict(prepared.frame[None])
        drawing = Drawing(
            image=_as_drawn(data, pixels),
            source=source,
            session_id=session_id,
            predicted_digit=None if prediction.verdict == "not_a_digit" else prediction.digit,
            confidence=prediction.confidence,
            probabilities=prediction.probabilities,
            verdict=prediction.verdict,
            model_version=prediction.model_version,
        )
        if grows_from is not None:
            drawing = replace(drawing, id=grows_from.id, created_at=grows_from.created_at)
        return Recognition(drawing, prediction, prepared.frame, self._try_to_store(drawing))

    def correct(self, drawing: Drawing, label: int | str | None) -> None:
        """Store what a person says a drawing is, and the drawing too if the database was away when it was made.

        label: 0–9, a string of digits for a whole number, or None for "not a digit".
        Raises BadLabel, AlreadyProcessed, or StorageUnavailable when nothing could be stored.
        """
        try:
            self._repository.correct(drawing.id, label)
        except UnknownPrediction:
            true_label, true_number = parse_label(label)
            self._repository.save(
                replace(drawing, true_label=true_label, true_number=true_number, labelled_at=datetime.now(UTC))
            )

    def correct_by_id(self, drawing_id: uuid.UUID, label: int | str | None) -> None:
        """Like `correct`, for a caller that knows only the id. Raises UnknownPrediction too."""
        self._repository.correct(drawing_id, label)

    def recent(self, *, limit: int, session_id: str | None = None) -> list[Drawing]:
        """The latest drawings, newest first. Raises StorageUnavailable."""
        return self._repository.recent(limit=limit, session_id=session_id)

    def _try_to_store(self, drawing: Drawing) -> bool:
        try:
            self._repository.save(drawing)
        except StorageUnavailable as error:
            log.warning("Drawing %s was not stored: %s", drawing.id, error)
            return False
        return True


def _as_drawn(data: bytes, pixels: np.ndarray) -> bytes:
    # The canvas sends a PNG within our working size already: keep its very bytes.
    return data if data.startswith(b"\x89PNG") and len(data) <= _KEEP_BYTES else encode_png(pixels)


_KEEP_BYTES = 100_000
