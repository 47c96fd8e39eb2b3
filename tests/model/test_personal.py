"""How a person's own digits turn the network's answer about one frame."""

import numpy as np
import pytest

from mnist.drawing import Verdict
from mnist.model.calibration import Calibration
from mnist.model.classifier import Prediction
from mnist.model.personal import Hand, read_in_hand

CALIBRATION = Calibration(temperature=1.0, non_digit_threshold=-1.0, unsure_threshold=0.8)
NOT_A_DIGIT = 10


def prediction(verdict: Verdict = Verdict.DIGIT, score: float = -9.0, **shares: float) -> Prediction:
    """p7=0.9 stands for a 7 at 90 %; the other digits share the rest."""
    known = {int(name[1:]): share for name, share in shares.items()}
    rest = (1 - sum(known.values())) / (10 - len(known))
    return Prediction(tuple(known.get(digit, rest) for digit in range(10)), score, verdict, 1)


def hand(*digits: tuple[float, int], version: int = 1) -> Hand:
    """Digits that resemble the frame (1, 0) by these cosines."""
    vectors = [(cosine, np.sqrt(1 - cosine**2)) for cosine, _ in digits]
    return Hand(version, np.array(vectors, np.float32).reshape(-1, 2), np.array([each for _, each in digits], np.int64))


def answer(alone: Prediction, own: Hand) -> Prediction:
    [found] = read_in_hand([alone], np.array([[3.0, 0.0]], np.float32), own, CALIBRATION)
    return found


def test_a_digit_like_one_that_they_corrected_is_read_as_they_said():
    found = answer(prediction(p7=0.999), hand((0.9, 1)))

    assert (found.digit, found.verdict, found.is_personal) == (1, Verdict.DIGIT, True)
    assert sum(found.probabilities) == pytest.approx(1)


def test_what_resembles_none_of_theirs_keeps_its_answer_to_the_last_bit():
    alone = prediction(p7=0.97)

    assert answer(alone, hand((0.5, 1), (0.3, 4))) is alone
    assert answer(alone, hand()) is alone


def test_the_surer_the_network_the_more_alike_it_must_be():
    own = hand((0.68, 1))

    assert answer(prediction(p7=0.6, p1=0.3), own).digit == 1
    assert answer(prediction(p7=0.9999), own).digit == 7


def test_the_class_that_it_resembles_most_wins_and_number_does_not_count():
    assert answer(prediction(p7=0.9), hand((0.75, 1), (0.75, 1), (0.75, 1), (0.9, 4))).digit == 4


def test_a_confirmation_answers_a_question():
    found = answer(prediction(Verdict.UNSURE, p7=0.6, p1=0.38), hand((0.8, 7)))

    assert (found.digit, found.verdict) == (7, Verdict.DIGIT)
    assert found.confidence > 0.95


def test_a_refused_digit_is_read_when_they_called_its_like_a_digit():
    refused = prediction(Verdict.NOT_A_DIGIT, score=1.0, p4=0.9)

    assert answer(refused, hand((0.9, 4))).verdict == Verdict.DIGIT
    assert answer(refused, hand((0.6, 4))).verdict == Verdict.NOT_A_DIGIT


def test_what_is_too_wide_needs_a_very_similar_one():
    too_wide = prediction(Verdict.NOT_A_DIGIT, score=-8.0, p1=0.9)

    assert answer(too_wide, hand((0.97, 1))).verdict == Verdict.DIGIT
    assert answer(too_wide, hand((0.7, 1))).verdict == Verdict.NOT_A_DIGIT
    assert answer(too_wide, hand((0.5, 1), (0.6, 4))).verdict == Verdict.NOT_A_DIGIT


def test_what_they_called_no_digit_is_refused_again():
    own = hand((0.95, NOT_A_DIGIT))

    assert answer(prediction(p0=0.99, score=-4.0), own).verdict == Verdict.NOT_A_DIGIT


def test_a_hand_that_another_version_saw_counts_for_nothing():
    alone = prediction(p7=0.9)

    assert answer(alone, hand((0.9, 1), version=2)) is alone
