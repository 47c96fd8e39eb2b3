"""The use case: a picture comes in, an answer goes out, and a row remains."""

import uuid
from dataclasses import replace

import cv2
import numpy as np
import pytest
from sqlalchemy import URL

from mnist.drawing import AlreadyProcessed, BadLabel, Origin
from mnist.model.classifier import Classifier
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.recognition.recogniser import Recogniser
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.vision.image_files import MAX_BYTES, MAX_PIXELS, BadImage, ImageTooLarge, encode_png
from mnist.vision.ink import BlankDrawing


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(SHIPPED_WEIGHTS, version=3)


@pytest.fixture
def recogniser(classifier, repository) -> Recogniser:
    return Recogniser(classifier, repository, max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS)


def seven(size: int = 300, *, crossed: bool = False) -> bytes:
    canvas = np.zeros((size, size, 4), np.uint8)
    canvas[..., 3] = 255
    strokes = [[[0.3, 0.2], [0.7, 0.2], [0.45, 0.8]]] + ([[[0.4, 0.5], [0.65, 0.5]]] if crossed else [])
    for stroke in strokes:
        cv2.polylines(canvas, [(np.array(stroke) * size).astype(int)], False, (255, 255, 255, 255), 18, cv2.LINE_AA)
    return encode_png(canvas)


def test_a_picture_gets_an_answer_and_a_row(recogniser, repository):
    picture = seven()

    found = recogniser.recognise(picture, Origin("canvas", "me"))

    assert (found.prediction.digit, found.prediction.verdict, found.is_stored) == (7, "digit", True)
    assert found.frame.shape == (28, 28)
    kept = repository.find(found.drawing.id)
    assert kept == found.drawing
    assert (kept.image, kept.predicted_digit, kept.model_version, kept.source) == (picture, 7, 3, "canvas")


def test_the_next_stroke_keeps_the_row(recogniser, repository):
    first = recogniser.recognise(seven(), Origin("canvas"))

    grown = recogniser.recognise(seven(crossed=True), Origin("canvas"), grows_from=first.drawing)

    assert grown.drawing.id == first.drawing.id
    [kept] = repository.recent(limit=10)
    assert kept.image == seven(crossed=True)


@pytest.mark.parametrize(("data", "error"), [
    (b"no picture", BadImage),
    (encode_png(np.zeros((50, 50), np.uint8)), BlankDrawing),
    (b"\0" * (MAX_BYTES + 1), ImageTooLarge),
])  # fmt: skip
def test_what_is_no_drawing_is_refused_and_not_stored(recogniser, repository, data, error):
    with pytest.raises(error):
        recogniser.recognise(data, Origin("upload"))

    assert repository.recent(limit=10) == []


def test_a_correction_keeps_the_guess(recogniser, repository):
    found = recogniser.recognise(seven(), Origin("canvas"))

    recogniser.correct(found.drawing, 1)

    kept = repository.find(found.drawing.id)
    assert (kept.predicted_digit, kept.true_label) == (7, 1)


def test_a_wrong_label_is_refused(recogniser, repository):
    found = recogniser.recognise(seven(), Origin("canvas"))

    with pytest.raises(BadLabel):
        recogniser.correct(found.drawing, 10)

    assert not repository.find(found.drawing.id).is_labelled


def test_without_a_database_the_answer_still_comes(classifier, tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")
    nowhere = Repository(connect(URL.create("sqlite", database=str(tmp_path / "data" / "mnist.db"))))
    recogniser = Recogniser(classifier, nowhere, max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS)

    found = recogniser.recognise(seven(), Origin("canvas"))
    assert (found.prediction.digit, found.is_stored) == (7, False)

    (tmp_path / "data").unlink()
    recogniser.correct(found.drawing, 7)  # stores the drawing too, which was not stored before

    kept = nowhere.find(found.drawing.id)
    assert (kept.image, kept.true_label) == (seven(), 7)


def test_a_label_that_was_learned_from_can_not_be_changed(recogniser, repository):
    found = recogniser.recognise(seven(), Origin("canvas"))
    learned = replace(found.drawing, id=uuid.uuid4(), feedback_processed=True)
    repository.save(learned)

    with pytest.raises(AlreadyProcessed):
        recogniser.correct(learned, 1)


def test_what_shall_not_be_kept_is_answered_and_not_stored(recogniser, repository):
    found = recogniser.recognise(seven(), Origin("canvas"), keep=False)

    assert (found.prediction.digit, found.is_stored) == (7, False)
    assert repository.recent(limit=10) == []
