"""Digits side by side come apart; the strokes of one digit stay together."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from mnist.training.handwriting.strokes import deform, held_out_styles, training_styles, write
from mnist.vision.mnist_frame import frame_ink
from mnist.vision.split_digits import MAX_DIGITS, split_digits

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


def test_a_number_comes_apart_in_reading_order():
    ink = draw(TWO, ZERO, TWO, SIX)

    segments = split_digits(ink)

    assert [round((segment.left - 46) / 90) for segment in segments] == [0, 1, 2, 3]
    assert not any(segment.touching for segment in segments)


def test_each_segment_is_what_the_digit_alone_would_be():
    for segment, digit in zip(split_digits(draw(TWO, OPEN_FOUR, SIX)), (TWO, OPEN_FOUR, SIX), strict=True):
        assert np.array_equal(frame_ink(segment.ink).frame, frame_ink(draw(digit)).frame)


def test_the_box_says_where_the_digit_is():
    ink = draw(TWO, SIX)
    for segment in split_digits(ink):
        height, width = segment.ink.shape
        place = ink[segment.top : segment.top + height, segment.left : segment.left + width]
        assert np.array_equal(place, segment.ink)
        assert segment.ink[0].any()
        assert segment.ink[-1].any()
        assert segment.ink[:, 0].any()
        assert segment.ink[:, -1].any()


@pytest.mark.parametrize(
    "digit",
    [ZERO, ONE, TWO, SIX, OPEN_FOUR, HATLESS_FIVE, CROSSED_SEVEN, BROKEN_EIGHT],
    ids=["0", "1", "2", "6", "open 4", "5 with its hat apart", "crossed 7", "8 in two loops"],
)
def test_strokes_of_one_digit_stay_together(digit):
    assert len(split_digits(draw(digit))) == 1
    assert len(split_digits(draw(digit, ONE, digit))) == 3


def test_circles_of_an_eight_that_do_not_touch_are_one_digit_beside_another():
    one, eight = split_digits(draw(ONE, BROKEN_EIGHT))

    assert one.ink.shape[0] == eight.ink.shape[0]
    assert (one.touching, eight.touching) == (False, False)


def test_one_digit_reads_as_it_does_unsplit():
    ink = draw(HATLESS_FIVE)
    cv2.circle(ink, (20, 20), 1, 255, -1)
    [segment] = split_digits(ink)
    assert np.array_equal(frame_ink(segment.ink).frame, frame_ink(ink).frame)


def test_slanted_digits_whose_columns_overlap_come_apart():
    ink = draw(ONE, ONE, ONE, gap=-25, slant=0.5)
    columns = np.flatnonzero(ink.max(axis=0))
    assert len(columns) == columns[-1] - columns[0] + 1, "a plain projection would see one digit"
    assert len(split_digits(ink)) == 3


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_size_and_a_wavy_line_do_not_matter(scale):
    ink = draw(SIX, TWO, ZERO, scale=scale, brush=max(2, int(8 * scale)), jitter=(0, 18, -12))
    assert len(split_digits(ink)) == 3


def test_specks_and_an_underline_are_dropped():
    ink = draw(TWO, SIX)
    expected = [frame_ink(segment.ink).frame for segment in split_digits(ink)]
    cv2.circle(ink, (20, 30), 2, 255, -1)
    cv2.circle(ink, (122, 40), 2, 255, -1)
    cv2.line(ink, (40, 175), (200, 172), 255, 4)

    frames = [frame_ink(segment.ink).frame for segment in split_digits(ink)]

    assert len(frames) == 2
    assert all(np.array_equal(a, b) for a, b in zip(frames, expected, strict=True))


def test_touching_digits_are_said_to_touch():
    assert [segment.touching for segment in split_digits(draw(TWO, ZERO, SIX, gap=-4))] == [True]
    assert [segment.touching for segment in split_digits(draw(ONE, TWO, ZERO, SIX, gap=-4))] == [False, True]


def test_no_ink_is_no_digit():
    assert split_digits(np.zeros((100, 200), np.uint8)) == []


def test_at_most_twelve_and_the_last_says_so():
    segments = split_digits(draw(*[ONE] * 15))
    assert len(segments) == MAX_DIGITS
    assert [segment.touching for segment in segments] == [False] * 11 + [True]


def test_noise_takes_bounded_time():
    noise = (np.random.default_rng(1).random((1024, 1024)) < 0.02).astype(np.uint8) * 255
    began = time.process_time()
    assert len(split_digits(noise)) <= MAX_DIGITS
    assert time.process_time() - began < 1


def test_generated_digits_stay_whole():
    """At most 0.3 % may be split; `python -m benchmarks.whole_numbers` measures thousands."""
    from mnist.training.handwriting.pen import render

    rng = np.random.default_rng(11)
    styles = training_styles() + held_out_styles()
    split = 0
    for _ in range(400):
        lines = deform(write(styles[int(rng.integers(len(styles)))], rng), rng)
        split += len(split_digits(render(lines, rng.uniform(40, 160), rng.uniform(3, 14)))) > 1
    assert split <= 1


def test_two_digits_in_one_piece_beside_others_are_said_to_touch_though_they_are_hardly_wider_than_one():
    wide = [[(0, 0), (132, 0), (0, 100), (132, 100)]]  # 1.3 times its height

    assert [segment.touching for segment in split_digits(draw(wide, gap=90))] == [False]
    assert [segment.touching for segment in split_digits(draw(ONE, wide))] == [False, True]


@pytest.mark.parametrize(("gap", "digits"), [(3, 1), (10, 2)])
def test_the_low_stroke_of_an_open_4_may_stand_a_little_apart(gap, digits):
    low = [(15, 5), (0, 62), (40 - gap, 62)]

    assert len(split_digits(draw([low, [(48, 0), (48, 100)]]))) == digits


def test_what_comes_apart_from_each_of_two_strokes_but_not_from_both_together_is_part_of_their_digit():
    arrow, above, below = [(0, 0), (33, 55), (0, 110)], [(100, 0), (16, 0), (46, 54)], [(62, 46), (30, 110)]

    assert len(split_digits(draw([arrow, above], brush=4, gap=80))) == 2
    assert len(split_digits(draw([arrow, below], brush=4, gap=80))) == 2
    assert len(split_digits(draw([arrow, above, below], brush=4, gap=80))) == 1
