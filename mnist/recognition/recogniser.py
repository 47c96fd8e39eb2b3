"""Recognition as a use case: prepare a picture, classify it, store it, and store people's corrections."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from mnist.drawing import Drawing, Origin, StorageUnavailable, UnknownPrediction, Verdict, parse_label, utc_now
from mnist.metrics import ACCURACY_WINDOW, Metrics
from mnist.model.classifier import Look
from mnist.model.explanation import Explanation
from mnist.model.model_card import ModelCard
from mnist.model.numbers import read
from mnist.model.personal import Hand, read_in_hand
from mnist.recognition.answer import Picture, as_recognition, person_of
from mnist.recognition.answer import Recognition as Recognition  # for those who call the recogniser
from mnist.recognition.batching import Batcher
from mnist.recognition.hands import Hands
from mnist.store.drawings import Repository
from mnist.store.own_labels import OwnLabels
from mnist.vision.image_files import BadImage, as_stored, decode
from mnist.vision.ink import BlankDrawing
from mnist.vision.prepare import Framed, frame

log = logging.getLogger(__name__)
TOGETHER = 32  # most pictures in one pass of the network, and most requests in one transaction
_T = TypeVar("_T")


class Reader(Protocol):
    """What Recogniser needs of a Classifier or an ActiveClassifier."""

    @property
    def version(self) -> int: ...

    def look(self, frames: np.ndarray, meanwhile: Callable[[], None] = ...) -> Look: ...

    def explain(self, frame: np.ndarray, digit: int) -> Explanation: ...


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
        own_labels: OwnLabels | None = None,
    ) -> None:
        """own_labels: what people said about their own drawings turns their later answers; None: it does not."""
        self._classifier = classifier
        self._repository = repository
        self.decode = partial(decode, max_bytes=max_bytes, max_pixels=max_pixels)
        self._metrics = metrics or Metrics()
        # Concurrent requests share one pass of the network, and then one transaction (benchmarks/api.py).
        self._predict_one = Batcher(self._predict, at_most=TOGETHER)
        self._store_one = Batcher(self._store_all, at_most=TOGETHER)
        self._workers = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="batch")
        self.now_serves(model or ModelCard(classifier.version))
        self._hands = None if own_labels is None else Hands(own_labels, self._frame, classifier.look)
        repository.on_outage(self._metrics.count_database_error)
        self._metrics.show_accuracy(lambda: repository.accuracy(latest=ACCURACY_WINDOW))
        self._metrics.show_room(lambda: repository.room.size, repository.room.most)

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
        keep: whether to store the drawing; without it nothing is looked up about the person, either.
        Raises BadImage when the picture can't be used and BlankDrawing when it has no ink; nothing is stored then. If
        the database is away, the answer comes all the same, with `is_stored` False.
        """
        with self._metrics.time_recognition(origin.source):
            found = self._answer(self._prepare(data, origin, is_personal=keep))
            if not keep:
                return found
            if grows_from is None:
                return replace(found, is_stored=self._store_one(found.drawing))
            grown = replace(found.drawing, id=grows_from.id, created_at=grows_from.created_at)
            return replace(found, drawing=grown, is_stored=self._try_to(self._repository.save, grown))

    def recognise_batch(self, pictures: Sequence[bytes], origin: Origin, keep: bool = True) -> list[Recognition | None]:
        """Read many pictures, on all cores, and store them in one transaction; None where a picture is blank.

        keep: whether to store them.
        Raises BadImage, naming the picture by its place from 0, when any can't be used; nothing is stored then.
        """
        with self._metrics.time_recognition(origin.source):
            self._study(person_of(origin))
            parts = self._workers.map(
                lambda first: self._predict_part(pictures, first, origin), range(0, len(pictures), TOGETHER)
            )
            answers = [answer for part in parts for answer in part]
            found = [answer for answer in answers if answer is not None]
            self._count(found)
            if not keep:
                return answers
            stored = iter(self._store_all([each.drawing for each in found]))
            return [each and replace(each, is_stored=next(stored)) for each in answers]

    def recognise_labelled(self, data: bytes, label: int | str | None, origin: Origin) -> Recognition:
        """Store a picture together with a person's label, in one transaction.

        label: as in `correct`.
        Raises BadLabel, BadImage, BlankDrawing, or StorageUnavailable when it could not be stored.
        """
        true_label, true_number = parse_label(label)  # before the picture, because it costs nothing
        with self._metrics.time_recognition(origin.source):
            found = self._answer(self._prepare(data, origin))
            drawing = replace(
                found.drawing, true_label=true_label, true_number=true_number, labelled_at=found.drawing.created_at
            )
            with self._metrics.time_stage("store"):
                self._repository.add_all([drawing])
        self._metrics.count_feedback(is_right=drawing.truth == drawing.guess)
        return replace(found, drawing=drawing, is_stored=True)

    def store_labelled(self, drawings: Sequence[Drawing]) -> None:
        """Store drawings that were read before and have a person's label each, in one transaction.

        Raises StorageUnavailable when nothing could be stored.
        """
        with self._metrics.time_stage("store"):
            self._repository.add_all(drawings)
        for drawing in drawings:
            self._metrics.count_feedback(is_right=drawing.truth == drawing.guess)

    def reread(self, drawing: Drawing) -> Drawing:
        """Read a stored drawing with the network that answers now; nothing is stored or counted.

        Returns the drawing with the new reading and its old id, times and label.
        Raises BadImage or BlankDrawing when the picture can't be read.
        """
        pixels = self.decode(drawing.image)
        # An import rereads files of others: what is kept of them is made anew, as for an upload.
        [found] = self._predict([Picture(as_stored(drawing.image, pixels), frame(pixels), drawing.origin)])
        kept = ("id", "created_at", "true_label", "true_number", "labelled_at")
        return replace(found.drawing, **{name: getattr(drawing, name) for name in kept})

    def look(self, drawing: Drawing) -> Recognition:
        """Read a drawing of the database for its boxes; nothing is stored or counted. Raises as `reread` does."""
        return self._predict([Picture(drawing.image, self._frame(drawing.image), drawing.origin)])[0]

    def explain(self, found: Recognition) -> Explanation:
        """Why the network that answers now reads a single digit as it does."""
        return self._classifier.explain(found.frame, found.prediction.digit)

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

    def _frame(self, image: bytes) -> Framed:
        """Prepare a stored picture. Raises BadImage or BlankDrawing."""
        return frame(self.decode(image))

    def _prepare(self, data: bytes, origin: Origin, *, is_personal: bool = True) -> Picture:
        with self._metrics.time_stage("preprocess"):
            pixels = self.decode(data)
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
        return Picture(image, framed, origin, person_of(origin) if is_personal else None)

    def _predict_part(self, pictures: Sequence[bytes], first: int, origin: Origin) -> list[Recognition | None]:
        """Classify TOGETHER pictures, from place `first` on; None for a blank one. Nothing is counted or stored."""
        prepared: list[Picture | None] = []
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

    def _answer(self, picture: Picture) -> Recognition:
        """Read one picture and count it; nothing is stored yet.

        A person whose labels have changed waits for them to be studied, and nobody else does.
        """
        found = self._predict_one(picture)
        if self._hands is not None and picture.person is not None and self._hands.study(picture.person):
            found = self._predict_one(picture)
        self._count([found])
        return found

    def _study(self, person: str | None) -> None:
        """Bring a person's hand up to date before many pictures are read."""
        if self._hands is not None and person is not None:
            self._hands.of([person], self._classifier.version)
            self._hands.study(person)

    def _count(self, found: Sequence[Recognition]) -> None:
        for drawing in (each.drawing for each in found):
            self._metrics.count_prediction(
                digit=drawing.predicted_digit,
                verdict=drawing.verdict,
                source=drawing.source,
                version=drawing.model_version,
                confidence=drawing.confidence,
            )

    def _predict(self, pictures: Sequence[Picture]) -> list[Recognition]:
        """Read all pictures in one pass of the network; nothing is counted or stored."""
        if not pictures:
            return []
        hands: dict[str, Hand] = {}

        def find_hands() -> None:
            if self._hands is not None:
                people = {picture.person for picture in pictures if picture.person is not None}
                hands.update(self._hands.of(people, self._classifier.version))

        with self._metrics.time_stage("inference"):
            look = self._classifier.look(np.concatenate([picture.framed.frames for picture in pictures]), find_hands)
        found, first = [], 0
        for picture in pictures:
            here = slice(first, first + len(picture.framed.frames))
            predictions, first = look.predictions[here], here.stop
            if picture.person in hands:
                hand = hands[picture.person]
                predictions = read_in_hand(predictions, look.features[here], hand, look.calibration)
            found.append(as_recognition(picture, read(picture.framed, predictions)))
        return found

    def _try_to(self, store: Callable[[_T], None], what: _T) -> bool:
        try:
            with self._metrics.time_stage("store"):
                store(what)
        except StorageUnavailable as error:
            log.warning("A drawing was not stored: %s", error)
            return False
        return True
