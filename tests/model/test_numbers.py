"""One digit or a number: the decision, with predictions made up for it and with the shipped network."""

import cv2
import numpy as np
import pytest

from mnist.model.classifier import Classifier, Prediction
from mnist.model.numbers import read
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.vision.ink import BlankDrawing
from mnist.vision.mnist_frame import Prepared
from mnist.vision.prepare import Framed, frame

SHAPES = {
    "1": [[(0.5, 0.05), (0.5, 0.95)]],
    "4": [[(0.6, 0.05), (0.2, 0.62), (0.85, 0.62)], [(0.65, 0.4), (0.65, 0.95)]],
    "7": [[(0.15, 0.08), (0.85, 0.08), (0.45, 0.95)]],
}


def written(number: str) -> np.ndarray:
    canvas = np.zeros((200, 40 + 130 * len(number)), np.uint8)
    for place, digit in enumerate(number):
        for stroke in SHAPES[digit]:
            points = (np.array(stroke) * (90, 130) + (30 + 130 * place, 35)).astype(int)
            cv2.polylines(canvas, [points], False, 255, 13, cv2.LINE_AA)
    return canvas


def prediction(digit: int, verdict: str = "digit", confidence: float = 0.91) -> Prediction:
    rest = (1 - confidence) / 9
    shares = tuple(confidence if each == digit else rest for each in range(10))
    return Prediction(shares, 0.0, verdict, 1)


def framed(*, touching: bool = False) -> Framed:
    blank = np.zeros((28, 28), np.uint8)
    return Framed(Prepared(blank, 20, 20, 0.2, 0.5), blank[None], touching)


@pytest.mark.parametrize("number", ["47", "714", "4171"])
def test_digits_side_by_side_are_read_as_a_number(number):
    pictures = frame(written(number))

    reading = read(pictures, Classifier.load(SHIPPED_WEIGHTS, version=1).predict(pictures.frames))

    assert reading.number == number
    assert reading.prediction.verdict == "not_a_digit"
    assert 0.5 < reading.confidence <= min(each.confidence for each in reading.digits)


@pytest.mark.parametrize("digit", ["1", "4", "7"])
def test_one_digit_is_no_number(digit):
    pictures = frame(written(digit))

    reading = read(pictures, Classifier.load(SHIPPED_WEIGHTS, version=1).predict(pictures.frames))

    assert (reading.prediction.digit, reading.number, len(pictures.frames)) == (int(digit), None, 1)


def test_a_number_with_an_unsure_digit_is_unsure():
    reading = read(framed(), [prediction(3, "not_a_digit"), prediction(2), prediction(6, "unsure", 0.6)])

    assert (reading.number, reading.prediction.verdict) == ("26", "unsure")
    assert reading.confidence == pytest.approx(0.91 * 0.6)


def test_a_digit_in_pieces_stays_a_digit():
    reading = read(framed(), [prediction(5), prediction(5), prediction(1, "not_a_digit")])

    assert (reading.number, reading.prediction.verdict, reading.prediction.digit) == (None, "digit", 5)


def test_marks_side_by_side_are_no_number():
    reading = read(framed(), [prediction(5, "not_a_digit"), prediction(5), prediction(1, "not_a_digit")])

    assert (reading.number, reading.prediction.verdict) == (None, "not_a_digit")


@pytest.mark.parametrize(("whole", "said"), [("digit", "unsure"), ("not_a_digit", "not_a_digit")])
def test_digits_that_seem_to_touch_are_not_called_sure(whole, said):
    assert read(framed(touching=True), [prediction(5, whole)]).prediction.verdict == said


def test_an_empty_picture_is_blank():
    with pytest.raises(BlankDrawing):
        frame(np.zeros((100, 100), np.uint8))


@pytest.mark.parametrize(("part", "number"), [("digit", "51"), ("unsure", None)])
def test_what_is_surely_one_digit_becomes_a_number_only_when_all_its_parts_are_sure(part, number):
    assert read(framed(), [prediction(4), prediction(5), prediction(1, part)]).number == number
