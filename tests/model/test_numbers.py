"""One digit or a number: the decision, with predictions made up for it and with the shipped network."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mnist.drawing import Verdict
from mnist.model.classifier import Classifier, Prediction
from mnist.model.numbers import Reading, read
from mnist.model.paths import align
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.vision.candidates import Candidate, Line
from mnist.vision.ink import BlankDrawing
from mnist.vision.leftovers import Leftover, Reason
from mnist.vision.marks import Mark
from mnist.vision.mnist_frame import Prepared
from mnist.vision.prepare import Framed, frame

SHAPES = {
    "1": [[(0.5, 0.05), (0.5, 0.95)]],
    "4": [[(0.6, 0.05), (0.2, 0.62), (0.85, 0.62)], [(0.65, 0.4), (0.65, 0.95)]],
    "7": [[(0.15, 0.08), (0.85, 0.08), (0.45, 0.95)]],
}
BLANK = np.zeros((28, 28), np.uint8)


def written(number: str) -> np.ndarray:
    canvas = np.zeros((200, 40 + 130 * len(number)), np.uint8)
    for place, digit in enumerate(number):
        for stroke in SHAPES[digit]:
            points = (np.array(stroke) * (90, 130) + (30 + 130 * place, 35)).astype(int)
            cv2.polylines(canvas, [points], False, 255, 13, cv2.LINE_AA)
    return canvas


def prediction(
    digit: int, verdict: Verdict = Verdict.DIGIT, confidence: float = 0.97, score: float = -7.0
) -> Prediction:
    rest = (1 - confidence) / 9
    shares = tuple(confidence if each == digit else rest for each in range(10))
    return Prediction(shares, score, verdict, 1)


NONE = prediction(5, Verdict.NOT_A_DIGIT, 0.5, 4.0)


def decide(
    whole: Prediction,
    spans: dict[tuple[int, int], Prediction],
    *,
    marks: tuple[Mark, ...] = (),
    partings: tuple[float, ...] | None = None,
    left_over: tuple[Leftover, ...] = (),
    plain: Prediction | None = None,
    second: tuple[Prediction, ...] = (),
) -> Reading:
    """What is read of a line whose candidates, (first, end), the network sees so.

    second: what it sees in each digit where the ink was found in another way.
    """
    pieces = max(end for _, end in spans)
    candidates = tuple(
        Candidate(first, end, np.full((10, 5), 255, np.uint8), 10 * first, 0, 0.0, 1.0) for first, end in spans
    )
    line = Line(pieces, candidates, marks, partings or (0.0,) * (pieces + 1), ())
    answers = [whole, *spans.values()] + ([] if plain is None else [plain])
    at = None if plain is None else len(answers) - 1
    places = tuple(range(1, len(spans) + 1))
    others = tuple(Candidate(at, at + 1, BLANK, 10 * at, 0, 0.0, 1.0) for at in range(len(second)))
    again = Line(len(second), others, (), (0.0,) * (len(second) + 1), ())
    at_again = tuple(range(len(answers), len(answers) + len(second)))
    answers += second
    whole_frame, frames = Prepared(BLANK, 20, 20, 0.2, 0.5), np.stack([BLANK] * len(answers))
    found_again = Framed(whole_frame, frames, again, at_again, None, (), (20, 100)) if second else None
    return read(Framed(whole_frame, frames, line, places, at, left_over, (20, 100), found_again), answers)


@pytest.mark.parametrize("number", ["47", "714", "4171"])
def test_digits_side_by_side_are_read_as_a_number(number):
    pictures = frame(written(number))

    reading = read(pictures, Classifier.load(SHIPPED_WEIGHTS, version=1).predict(pictures.frames))

    assert reading.number == number
    assert reading.prediction.verdict == Verdict.NUMBER
    assert 0.5 < reading.confidence <= min(each.confidence for each in reading.digits)


@pytest.mark.parametrize("digit", ["1", "4", "7"])
def test_one_digit_is_no_number(digit):
    pictures = frame(written(digit))

    reading = read(pictures, Classifier.load(SHIPPED_WEIGHTS, version=1).predict(pictures.frames))

    assert (reading.prediction.digit, reading.number, len(pictures.frames)) == (int(digit), None, 1)
    assert len(reading.boxes) == 1


def test_a_number_with_an_unsure_digit_is_unsure():
    reading = decide(NONE, {(0, 1): prediction(2), (1, 2): prediction(6, Verdict.UNSURE, 0.6)})

    assert (reading.number, reading.prediction.verdict) == ("26", Verdict.UNSURE)
    assert reading.confidence == pytest.approx(0.97 * 0.6)


def test_a_digit_in_pieces_stays_a_digit():
    reading = decide(prediction(5), {(0, 1): NONE, (1, 2): prediction(1), (0, 2): prediction(5)})

    assert (reading.number, reading.prediction.verdict, reading.prediction.digit) == (None, Verdict.DIGIT, 5)


def test_marks_side_by_side_are_no_number():
    reading = decide(NONE, {(0, 1): NONE, (1, 2): NONE})

    assert (reading.number, reading.prediction.verdict) == (None, Verdict.NOT_A_DIGIT)


def test_a_number_with_one_part_that_is_no_digit_is_offered_not_refused():
    reading = decide(NONE, {(0, 1): prediction(2), (1, 2): NONE, (2, 3): prediction(7), (3, 4): prediction(4)})

    assert (reading.number, reading.prediction.verdict) == ("2574", Verdict.UNSURE)


def test_another_reading_of_the_same_ink_makes_it_unsure():
    reading = decide(NONE, {(0, 1): prediction(1), (1, 2): prediction(3), (2, 3): prediction(7), (0, 2): prediction(0)})

    assert reading.prediction.verdict == Verdict.UNSURE
    assert reading.clear == pytest.approx(0.5, abs=0.05)


def test_two_arcs_that_are_a_good_digit_together_are_no_sure_number():
    reading = decide(prediction(0), {(0, 1): prediction(1), (1, 2): prediction(1)})

    assert (reading.number, reading.prediction.verdict) == ("11", Verdict.UNSURE)


@pytest.mark.parametrize(("confidence", "verdict"), [(0.99, Verdict.NUMBER), (0.91, Verdict.UNSURE)])
def test_digits_that_touch_are_sure_only_when_very_clear(confidence, verdict):
    seen = {(0, 1): prediction(2, confidence=confidence), (1, 2): prediction(7, confidence=confidence)}

    assert decide(NONE, seen).prediction.verdict == Verdict.NUMBER
    assert decide(NONE, seen, partings=(0.0, 3.0, 0.0)).prediction.verdict == verdict


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [(Reason.MINUS, Verdict.UNSURE), (Reason.UNEXPLAINED, Verdict.UNSURE), (Reason.CLOSING_DASH, Verdict.NUMBER)],
)
def test_what_was_written_beside_the_digits_decides_whether_they_say_it_all(reason, verdict):
    mark = Mark(2, Leftover(reason, 90, 10, 8, 2), 0.3)

    reading = decide(NONE, {(0, 1): prediction(2), (1, 2): prediction(7), (2, 3): NONE}, marks=(mark,))

    assert (reading.number, reading.prediction.verdict) == ("27", verdict)
    assert [each.reason for each in reading.left_over] == [reason]


@pytest.mark.parametrize(("digits", "reason"), [(3, Reason.GROUPING_POINT), (2, Reason.POINT)])
def test_a_point_parts_thousands_where_three_digits_follow(digits, reason):
    seen = {(place, place + 1): prediction(place % 10) for place in (0, *range(2, 2 + digits))}
    mark = Mark(1, Leftover(Reason.POINT, 15, 18, 2, 2), 0.3)

    reading = decide(NONE, seen, marks=(mark,))

    assert [each.reason for each in reading.left_over] == [reason]
    assert reading.prediction.verdict == (Verdict.NUMBER if digits == 3 else Verdict.UNSURE)


@pytest.mark.parametrize(("plain", "verdict"), [(7, Verdict.DIGIT), (1, Verdict.UNSURE)])
def test_a_plain_recipe_that_reads_another_digit_makes_it_unsure(plain, verdict):
    reading = decide(prediction(7), {(0, 1): prediction(7)}, plain=prediction(plain))

    assert (reading.prediction.digit, reading.prediction.verdict) == (7, verdict)


@pytest.mark.parametrize(
    ("confidence", "second", "other", "verdict"),
    [
        (0.75, 7, 0.75, Verdict.NUMBER),  # neither would do alone: 0.56 and 0.56
        (0.75, 1, 0.75, Verdict.UNSURE),
        (0.9, 1, 0.5, Verdict.UNSURE),  # 0.81 would do alone
        (0.5, 7, 0.6, Verdict.UNSURE),
    ],
)
def test_ink_that_was_found_in_two_ways_supports_a_reading_or_disputes_it(confidence, second, other, verdict):
    seen = {(0, 1): prediction(2, confidence=confidence), (1, 2): prediction(7, confidence=confidence)}

    reading = decide(NONE, seen, second=(prediction(2, confidence=other), prediction(second, confidence=other)))

    assert (reading.number, reading.prediction.verdict) == ("27", verdict)
    chance = 1 - (1 - confidence**2) * (1 - other**2) if second == 7 else confidence**2 * (1 - other**2)
    assert reading.confidence == pytest.approx(chance, abs=0.01)


def test_digits_that_only_the_other_way_finds_are_offered():
    reading = decide(NONE, {(0, 1): NONE, (1, 2): NONE}, second=(prediction(2), prediction(7)))

    assert (reading.number, reading.prediction.verdict) == ("27", Verdict.UNSURE)
    assert len(reading.boxes) == 2


def test_more_than_32_digits_are_no_number():
    assert decide(NONE, {(place, place + 1): prediction(1) for place in range(32)}).number == "1" * 32
    assert decide(NONE, {(place, place + 1): prediction(1) for place in range(33)}).number is None


def test_a_known_number_finds_its_digits():
    spans = {(0, 1): prediction(1), (1, 2): prediction(3), (2, 3): prediction(7), (0, 2): prediction(0)}
    candidates = tuple(Candidate(first, end, BLANK, 0, 0, 0.0, 1.0) for first, end in spans)
    line = Line(3, candidates, (), (0.0,) * 4, ())

    assert align(line, list(spans.values()), "07") == (3, 2)
    assert align(line, list(spans.values()), "137") == (0, 1, 2)
    assert align(line, list(spans.values()), "1234") is None


def test_an_empty_picture_is_blank():
    with pytest.raises(BlankDrawing):
        frame(np.zeros((100, 100), np.uint8))
