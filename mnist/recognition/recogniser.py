"""Recognition as a use case: prepare a picture, classify it, store it, and store people's corrections."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from mnist.drawing import (
    Drawing,
    Origin,
    StorageUnavailable,
    UnknownPrediction,
    Verdict,
    parse_label,
    utc_now,
)
from mnist.metrics import ACCURACY_WINDOW, Metrics
from mnist.model.classifier import Prediction
from mnist.model.model_card import ModelCard
from mnist.model.numbers import Reading, read
from mnist.recognition.batching import Batcher
from mnist.store.drawings import Repository
from mnist.vision.image_files import BadImage, as_stored, decode
from mnist.vision.ink import BlankDrawing
from mnist.vision.prepare import Box, Framed, frame

log = logging.getLogger(__name__)
TOGETHER = 32  # most pictures in one pass of the network, and most requests in one transaction
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """The answer about one picture."""

    drawing: Drawing  # as it is, or would be, stored
    prediction: Prediction
    frame: np.ndarray  # (28, 28) uint8, what the network saw
    is_stored: bool  # False: the database was away
    digits: tuple[Prediction, ...] = ()  # of a number, left to right; empty for a single digit
    boxes: tuple[Box, ...] = ()  # of each digit that was read, as shares of the picture's width and height


class Reader(Protocol):
    """What Recogniser needs of a Classifier or an ActiveClassifier."""

    @property
    def version(self) -> int: ...

    def predict(self, frames: np.ndarray) -> list[Prediction]: ...


class Recogniser:
    """Recognises pictures and stores them; one object serves all threads of the process."""

    def __init__(
        self,
        classifier: Reader,
        repository: Repository,
        *,
        max_bytes: int,
        max_pixels: int,
        metrics: Metrics | None = None,
        model: ModelCard | None = None,
    ) -> None:
        self._classifier = classifier
        self._repository = repository
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        self._metrics = metrics or Metrics()
        # Concurrent requests share one pass of the network, and then one transaction (benchmarks/api.py).
        self._classify_one = Batcher(self._classify, at_most=TOGETHER)
        self._store_one = Batcher(self._store_all, at_most=TOGETHER)
        self._workers = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="batch")
        self.now_serves(model or ModelCard(classifier.version))
        repository.on_outage(self._metrics.count_database_error)
        self._metrics.show_accuracy(lambda: repository.accuracy(latest=ACCURACY_WINDOW))

    @property
    def repository(self) -> Repository:
        """Where drawings are kept."""
        return self._repository

    @property
    def model(self) -> ModelCard:
        """The card of the version that answers now."""
        return self._model

    def now_serves(self, model: ModelCard) -> None:
        """Note the card of the version that answers from now on."""
        self._model = model
        self._metrics.show_model(model.version, model.trained_at)

    def recognise(
        self, data: bytes, origin: Origin, *, grows_from: Drawing | None = None, keep: bool = True
    ) -> Recognition:
        """Read an encoded picture and store it with the answer.

        data: a file in any of the formats of mnist/vision/picture_formats.py.
        grows_from: this drawing before its latest stroke; the row is updated, so that one drawing stays one row.
        keep: whether to store the drawing.
        Raises BadImage when the picture can't be used and BlankDrawing when it has no ink; nothing is stored then. If
        the database is away, the answer comes all the same, with `is_stored` False.
        """
        with self._metrics.time_recognition(origin.source):
            found = self._classify_one(self._prepare(data, origin))
            if not keep:
                return found
            if grows_from is None:
                return replace(found, is_stored=self._store_one(found.drawing))
            grown = replace(found.drawing, id=grows_from.id, created_at=grows_from.created_at)
            return replace(found, drawing=grown, is_stored=self._try_to(self._repository.save, grown))

    def recognise_batch(self, pictures: Sequence[bytes], origin: Origin) -> list[Recognition | None]:
        """Read many pictures, on all cores, and store them in one transaction; None where a picture is blank.

        Raises BadImage, naming the picture by its place from 0, when any can't be used; nothing is stored then.
        """
        with self._metrics.time_recognition(origin.source):
            parts = self._workers.map(
                lambda first: self._predict_part(pictures, first, origin), range(0, len(pictures), TOGETHER)
            )
            answers = [answer for part in parts for answer in part]
            found = [answer for answer in answers if answer is not None]
            self._count(found)
            stored = iter(self._store_all([each.drawing for each in found]))
            return [each and replace(each, is_stored=next(stored)) for each in answers]

    def recognise_labelled(self, data: bytes, label: int | str | None, origin: Origin) -> Recognition:
        """Store a picture together with a person's label, in one transaction.

        label: as in `correct`.
        Raises BadLabel, BadImage, BlankDrawing, or StorageUnavailable when it could not be stored.
        """
        true_label, true_number = parse_label(label)  # before the picture, because it costs nothing
        with self._metrics.time_recognition(origin.source):
            [found] = self._classify([self._prepare(data, origin)])
            drawing = replace(
                found.drawing, true_label=true_label, true_number=true_number, labelled_at=found.drawing.created_at
            )
            with self._metrics.time_stage("store"):
                self._repository.add_all([drawing])
        self._metrics.count_feedback(is_right=drawing.truth == drawing.guess)
        return replace(found, drawing=drawing, is_stored=True)

    def reread(self, drawing: Drawing) -> Drawing:
        """Read a stored drawing with the network that answers now; nothing is stored or counted.

        Returns the drawing with the new reading and its old id, times and label.
        Raises BadImage or BlankDrawing when the picture can't be read.
        """
        pixels = decode(drawing.image, max_bytes=self._max_bytes, max_pixels=self._max_pixels)
        # An import rereads files of others: what is kept of them is made anew, as for an upload.
        [found] = self._predict([_Picture(as_stored(drawing.image, pixels), frame(pixels), drawing.origin)])
        kept = ("id", "created_at", "true_label", "true_number", "labelled_at")
        return replace(found.drawing, **{name: getattr(drawing, name) for name in kept})

    def look(self, drawing: Drawing) -> Recognition:
        """Read a drawing of the database for its boxes; nothing is stored or counted. Raises as `reread` does."""
        pixels = decode(drawing.image, max_bytes=self._max_bytes, max_pixels=self._max_pixels)
        return self._predict([_Picture(drawing.image, frame(pixels), drawing.origin)])[0]

    def correct(self, drawing: Drawing, label: int | str | None) -> None:
        """Store a person's label, and the drawing too if the database was away when it was drawn.

        label: 0–9, a string of digits for a whole number, or None for "not a digit".
        Raises BadLabel, AlreadyProcessed, or StorageUnavailable when nothing could be stored.
        """
        try:
            self.correct_by_id(drawing.id, label)
        except UnknownPrediction:
            true_label, true_number = parse_label(label)
            labelled = replace(drawing, true_label=true_label, true_number=true_number, labelled_at=utc_now())
            self._repository.save(labelled)
            self._metrics.count_feedback(is_right=labelled.truth == labelled.guess)

    def correct_by_id(self, drawing_id: uuid.UUID, label: int | str | None, *, source: str | None = None) -> None:
        """Like `correct`, for a caller that knows only the id. source: the drawing must have this source; None: any.

        Raises UnknownPrediction, too, when there is no such drawing.
        """
        is_right = self._repository.correct(drawing_id, label, source=source)
        self._metrics.count_feedback(is_right=is_right)

    def _prepare(self, data: bytes, origin: Origin) -> _Picture:
        with self._metrics.time_stage("preprocess"):
            pixels = decode(data, max_bytes=self._max_bytes, max_pixels=self._max_pixels)
            try:
                framed = frame(pixels)
            except BlankDrawing:
                self._metrics.count_prediction(
                    digit=None,
                    verdict=Verdict.BLANK,
                    source=origin.source,
                    version=self._model.version,
                    confidence=None,
                )
                raise
            image = as_stored(data, pixels)
        self._metrics.observe_ink(
            source=origin.source, ink_share=framed.whole.ink_share, box_share=framed.whole.canvas_share
        )
        return _Picture(image, framed, origin)

    def _predict_part(self, pictures: Sequence[bytes], first: int, origin: Origin) -> list[Recognition | None]:
        """Classify TOGETHER pictures, from place `first` on; None for a blank one. Nothing is counted or stored."""
        prepared: list[_Picture | None] = []
        for place, data in enumerate(pictures[first : first + TOGETHER], first):
            try:
                prepared.append(self._prepare(data, origin))
            except BlankDrawing:
                prepared.append(None)
            except BadImage as bad:
                raise type(bad)(f"images[{place}]: {bad}") from bad
        found = iter(self._predict([each for each in prepared if each is not None]))
        return [None if each is None else next(found) for each in prepared]

    def _store_all(self, drawings: Sequence[Drawing]) -> list[bool]:
        """Store new drawings in one transaction. Returns for each whether it is stored."""
        return [self._try_to(self._repository.add_all, drawings)] * len(drawings)

    def _classify(self, pictures: Sequence[_Picture]) -> list[Recognition]:
        """Classify all pictures in one pass of the network and count them; nothing is stored yet."""
        found = self._predict(pictures)
        self._count(found)
        return found

    def _count(self, found: Sequence[Recognition]) -> None:
        for drawing in (each.drawing for each in found):
            self._metrics.count_prediction(
                digit=drawing.predicted_digit,
                verdict=drawing.verdict,
                source=drawing.source,
                version=drawing.model_version,
                confidence=drawing.confidence,
            )

    def _predict(self, pictures: Sequence[_Picture]) -> list[Recognition]:
        if not pictures:
            return []
        with self._metrics.time_stage("inference"):
            frames = np.concatenate([picture.framed.frames for picture in pictures])
            predictions = iter(self._classifier.predict(frames))
        return [
            _recognition(picture, read(picture.framed, [next(predictions) for _ in picture.framed.frames]))
            for picture in pictures
        ]

    def _try_to(self, store: Callable[[_T], None], what: _T) -> bool:
        try:
            with self._metrics.time_stage("store"):
                store(what)
        except StorageUnavailable as error:
            log.warning("A drawing was not stored: %s", error)
            return False
        return True


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """A picture that is decoded, checked and framed, but not classified yet."""

    image: bytes  # PNG, as it was drawn
    framed: Framed
    origin: Origin


def _recognition(picture: _Picture, reading: Reading) -> Recognition:
    prediction = reading.prediction
    is_one_digit = prediction.verdict != Verdict.NOT_A_DIGIT and reading.number is None
    drawing = Drawing(
        image=picture.image,
        source=picture.origin.source,
        session_id=picture.origin.session_id,
        predicted_digit=prediction.digit if is_one_digit else None,
        predicted_number=reading.number,
        confidence=reading.confidence,
        probabilities=prediction.probabilities,
        verdict=prediction.verdict,
        model_version=prediction.model_version,
    )
    seen = picture.framed.frames[reading.frame]
    return Recognition(drawing, prediction, seen, is_stored=False, digits=reading.digits, boxes=reading.boxes)
