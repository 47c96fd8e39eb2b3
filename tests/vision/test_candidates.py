"""Every piece of ink that may be a digit is a candidate, by itself, with its neighbours, or cut."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from mnist.training.handwriting.strokes import deform, held_out_styles, training_styles, write
from mnist.vision.candidates import MAX_CANDIDATES, Candidate, Line, find_line
from mnist.vision.leftovers import Reason
from mnist.vision.mnist_frame import frame_ink

# Strokes in a 60 × 100 box: (x, y) corners.
ZERO = [[(30, 0), (8, 15), (0, 50), (8, 85), (30, 100), (52, 85), (60, 50), (52, 15), (30, 0)]]
ONE = [[(30, 0), (30, 100)]]
TWO = [[(0, 15), (30, 0), (55, 20), (50, 45), (0, 100), (60, 100)]]
SIX = [[(50, 0), (15, 30), (0, 70), (15, 98), (45, 98), (58, 75), (40, 55), (5, 65)]]
OPEN_FOUR = [[(15, 5), (0, 60), (42, 60)], [(52, 0), (52, 100)]]
HATLESS_FIVE = [[(8, 12), (4, 45), (45, 48), (58, 75), (40, 98), (0, 92)], [(16, 0), (60, -2)]]
CROSSED_SEVEN = [[(0, 0), (60, 0), (20, 100)], [(10, 50), (52, 48)]]
BROKEN_EIGHT = [[(30, 0), (5, 20), (30, 42), (55, 20), (30, 0)], [(30, 55), (0, 78), (30, 100), (60, 78), (30, 55)]]


def draw(*digits, gap=30, slant=0.0, brush=8, scale=1.0, jitter=()):
    """Digits on one line: (H, W) uint8 ink, and the left and right end of each."""
    ink = np.zeros((int(200 * scale), int((140 + (60 + gap) * len(digits)) * scale)), np.uint8)
    for place, strokes in enumerate(digits):
        down = jitter[place] if jitter else 0
        for stroke in strokes:
            points = np.array(stroke, float) + np.array([50 + place * (60 + gap), 50 + down])
            points[:, 0] += slant * (150 - points[:, 1])
            cv2.polylines(ink, [np.rint(points * scale * 16).astype(np.int32)], False, 255, brush, cv2.LINE_AA, 4)
    return ink


def single(line: Line) -> list[Candidate]:
    """The candidates of one piece each, left to right."""
    return sorted((each for each in line.candidates if each.end == each.first + 1), key=lambda each: each.first)


def test_each_digit_of_a_number_is_a_candidate_in_reading_order():
    line = find_line(draw(TWO, ZERO, TWO, SIX))

    assert line.pieces == 4
    assert [round((each.left - 46) / 90) for each in single(line)] == [0, 1, 2, 3]
    assert line.partings == (0, 0, 0, 0, 0)


def test_a_candidate_is_what_the_digit_alone_would_be():
    line = find_line(draw(TWO, SIX, ZERO))

    for candidate, digit in zip(single(line), (TWO, SIX, ZERO), strict=True):
        assert np.array_equal(frame_ink(candidate.ink).frame, frame_ink(draw(digit)).frame)


def test_the_box_says_where_the_candidate_is():
    ink = draw(TWO, SIX)
    for each in single(find_line(ink)):
        height, width = each.ink.shape
        assert np.array_equal(ink[each.top : each.top + height, each.left : each.left + width], each.ink)
        assert all(side.any() for side in (each.ink[0], each.ink[-1], each.ink[:, 0], each.ink[:, -1]))


@pytest.mark.parametrize(
    "digit",
    [ZERO, ONE, TWO, SIX, OPEN_FOUR, HATLESS_FIVE, CROSSED_SEVEN, BROKEN_EIGHT],
    ids=["0", "1", "2", "6", "open 4", "5 with its hat apart", "crossed 7", "8 in two loops"],
)
def test_all_strokes_of_one_digit_are_one_candidate(digit):
    alone, between = find_line(draw(digit)), find_line(draw(digit, ONE, digit))

    assert (0, alone.pieces) in {(each.first, each.end) for each in alone.candidates}
    lefts = [each.left for each in between.candidates if each.cost < 0.5 and each.height > 0.9]
    assert any(left < 80 for left in lefts)
    assert any(left > 200 for left in lefts)


@pytest.mark.parametrize("digit", [ZERO, ONE, TWO, SIX, CROSSED_SEVEN])
def test_a_drawing_in_one_piece_costs_no_further_frame(digit):
    line = find_line(draw(digit))

    assert line.is_one_digit
    assert np.array_equal(frame_ink(line.candidates[0].ink).frame, frame_ink(draw(digit)).frame)


def test_slanted_digits_whose_columns_overlap_come_apart():
    ink = draw(ONE, ONE, ONE, gap=-25, slant=0.5)
    columns = np.flatnonzero(ink.max(axis=0))
    assert len(columns) == columns[-1] - columns[0] + 1, "a plain projection would see one digit"

    assert find_line(ink).pieces == 3


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_size_and_a_wavy_line_do_not_matter(scale):
    ink = draw(SIX, TWO, ZERO, scale=scale, brush=max(2, int(8 * scale)), jitter=(0, 18, -12))

    assert find_line(ink).pieces == 3


def test_specks_and_an_underline_are_left_over_by_name():
    ink = draw(TWO, SIX)
    cv2.circle(ink, (20, 30), 2, 255, -1)
    cv2.line(ink, (40, 175), (200, 172), 255, 4)

    line = find_line(ink)

    assert line.pieces == 2
    assert {each.reason for each in line.leftovers} == {Reason.CRUMB, Reason.UNDERLINE}


def test_digits_that_touch_are_cut_where_the_ink_is_thin():
    ink = draw(ZERO, ZERO, gap=20)
    cv2.line(ink, (100, 100), (140, 100), 255, 6)

    line = find_line(ink)

    assert any(line.is_cut(place) for place in range(1, line.pieces))
    assert {90 <= each.left + each.ink.shape[1] <= 145 for each in line.candidates if each.first == 0} >= {True}


def test_round_digits_that_touch_in_a_point_are_cut_at_the_notch():
    line = find_line(draw(ZERO, ZERO, gap=-6))

    assert any(abs(each.left + each.ink.shape[1] - 107) < 8 for each in line.candidates if each.first == 0)


def test_no_ink_has_no_candidate():
    assert find_line(np.zeros((100, 200), np.uint8)).candidates == ()


def test_noise_takes_bounded_time_and_is_not_explained():
    noise = (np.random.default_rng(1).random((1024, 1024)) < 0.02).astype(np.uint8) * 255
    began = time.process_time()

    assert len(find_line(noise).candidates) <= MAX_CANDIDATES
    assert time.process_time() - began < 2


def test_a_digit_in_many_bits_has_a_candidate_of_all_of_them():
    ink = np.zeros((200, 160), np.uint8)
    for y in range(40, 160, 12):
        cv2.circle(ink, (80 - (y - 100) // 4, y), 3, 255, -1)

    line = find_line(ink)

    assert (0, line.pieces) in {(each.first, each.end) for each in line.candidates}


def test_generated_digits_need_few_candidates():
    """Nearly all are one piece; the others keep a candidate of all their ink."""
    from mnist.training.handwriting.pen import render

    rng = np.random.default_rng(11)
    styles = training_styles() + held_out_styles()
    lines = []
    for _ in range(300):
        strokes = deform(write(styles[int(rng.integers(len(styles)))], rng), rng)
        lines.append(find_line(render(strokes, rng.uniform(40, 160), rng.uniform(3, 14))))

    assert sum(line.is_one_digit for line in lines) > 270
    assert sum((0, line.pieces) not in {(c.first, c.end) for c in line.candidates} for line in lines) <= 3
