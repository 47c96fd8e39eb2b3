"""Why the network reads a digit as it does."""

from __future__ import annotations

import numpy as np
import pytest

from mnist.model.classifier import Classifier
from mnist.model.explanation import PATCH
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.vision.image_files import decode
from mnist.vision.prepare import prepare
from tests.support.pictures import seven


@pytest.fixture(scope="module")
def shipped() -> Classifier:
    return Classifier.load(SHIPPED_WEIGHTS, version=1)


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    return prepare(decode(seven(), max_bytes=10**6, max_pixels=10**6)).frame


def without(frame: np.ndarray, place: tuple[int, int]) -> np.ndarray:
    """The frame without what is in a square around a place."""
    top, left = (max(0, each - PATCH // 2) for each in place)
    wiped = frame.copy()
    wiped[top : top + PATCH, left : left + PATCH] = 0
    return wiped


def test_the_ink_called_important_is_what_the_answer_hangs_on(shipped, frame):
    importance = shipped.explain(frame, 7).importance
    ink = [tuple(place) for place in np.argwhere(frame > 128)]
    most, least = (max(ink, key=lambda place: sign * importance[place]) for sign in (1, -1))

    before, without_most, without_least = (
        each.probabilities[7]
        for each in shipped.predict(np.stack([frame, without(frame, most), without(frame, least)]))
    )

    assert before > 0.9
    assert without_most < without_least
    assert without_most < before


def test_only_ink_counts(shipped, frame):
    importance = shipped.explain(frame, 7).importance

    assert importance.shape == (28, 28)
    assert (importance[frame == 0] == 0).all()
    assert importance[frame > 128].max() > 0


def test_what_speaks_for_one_digit_speaks_against_another(shipped, frame):
    for_seven, for_one = (shipped.explain(frame, digit).importance for digit in (7, 1))
    place = np.unravel_index(for_seven.argmax(), for_seven.shape)

    assert for_seven[place] > 0 > for_one[place]


def test_the_maps_are_those_of_the_four_layers(shipped, frame):
    maps = shipped.explain(frame, 7).maps

    assert [each.shape for each in maps] == [(24, 12, 12), (64, 6, 6), (96, 6, 6), (96, 6, 6)]
    assert all(each.min() >= 0 and each.max() > 0 for each in maps)


def test_asking_why_changes_no_answer(shipped, frame):
    before = shipped.predict(frame[None])
    copy = frame.copy()

    shipped.explain(frame, 7)

    assert shipped.predict(frame[None]) == before
    assert (frame == copy).all()
