from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from mnist.training.handwriting.digit_styles import STYLES, Style, parse
from mnist.training.handwriting.pen import draw, render
from mnist.training.handwriting.strokes import (
    WORTH_WORKERS,
    deform,
    digits,
    held_out_styles,
    training_styles,
    write,
)

STICK = [np.array([[0.0, 0.0], [0.0, 100.0]])]


def test_a_line_is_as_high_and_as_thick_as_asked_with_round_ends():
    ink = render(STICK, height=100, brush=10)

    rows, columns = np.flatnonzero((ink > 127).any(axis=1)), np.flatnonzero((ink > 127).any(axis=0))
    assert abs(len(columns) - 10) <= 1
    assert abs(len(rows) - 110) <= 1  # half a brush sticks out at both ends
    assert np.count_nonzero(ink[rows[0]] > 127) < np.count_nonzero(ink[rows[5]] > 127)


def test_the_same_seed_draws_the_same_digits_however_many_processes_work(monkeypatch):
    monkeypatch.setattr("mnist.training.handwriting.strokes.CHUNK", 100)
    count = 2 * WORTH_WORKERS * 100 + 50  # one task more than two processes are made for

    alone, together = (digits(count, seed=5, styles=training_styles(), workers=workers) for workers in (1, 2))

    assert torch.equal(alone.frames, together.frames)
    assert torch.equal(alone.labels, together.labels)
    assert not torch.equal(alone.frames[:50], digits(50, seed=6, styles=training_styles()).frames)


def test_all_ten_digits_come_equally_often_and_every_frame_has_ink():
    drawn = digits(1_000, seed=1, styles=training_styles())

    assert drawn.frames.dtype == torch.uint8
    assert tuple(drawn.frames.shape) == (1_000, 28, 28)
    assert (drawn.frames.flatten(1).amax(dim=1) > 0).all()
    assert torch.bincount(drawn.labels, minlength=10).min() > 70


def test_held_out_styles_are_never_trained_on():
    trained, held_out = training_styles(), held_out_styles()

    assert not any(style.held_out for style in trained)
    assert {style.digit for style in held_out} == set(range(10))
    assert len(trained) + len(held_out) == len(STYLES)


def test_a_careful_writer_stays_between_the_extremes():
    style = Style(1, "two sticks", ("0,0 0,100", "40,0 40,100"))
    rng = np.random.default_rng(0)

    xs = [line[:, 0].mean() for _ in range(50) for line in write(style, rng, care=0)]

    assert min(xs) >= -2
    assert max(xs) <= 42
    assert max(xs) - min(xs) > 20  # and does use the space between them


def test_a_corner_stays_sharp_and_a_bend_does_not():
    rng = np.random.default_rng(0)
    sharp = write(Style(7, "sharp", ("0,0 50,0! 50,100",)), rng, care=0)[0]
    round_ = write(Style(7, "round", ("0,0 50,0 50,100",)), rng, care=0)[0]

    def sharpest_turn(line):
        steps = np.diff(line, axis=0)
        steps = steps[np.linalg.norm(steps, axis=1) > 1e-6]
        angles = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
        return np.abs(np.diff(angles)).max()

    assert sharpest_turn(sharp) == pytest.approx(np.pi / 2, abs=0.1)
    assert sharpest_turn(round_) < 0.9


def test_a_loop_comes_back_to_where_it_began():
    oval = next(style for style in STYLES if parse(style.shapes)[0].closed)
    rng = np.random.default_rng(3)

    gaps = [np.linalg.norm(line[0] - line[-1]) for _ in range(30) for line in write(oval, rng, care=0)[:1]]

    assert np.median(gaps) < 12


def test_hands_and_pens_differ_from_drawing_to_drawing():
    style = next(style for style in STYLES if style.digit == 2)
    rng = np.random.default_rng(0)
    inks = [draw(deform(write(style, rng), rng), rng) for _ in range(60)]

    heights = [ink.shape[0] for ink in inks]
    blackness = [(ink > 127).mean() for ink in inks]
    assert max(heights) > 3 * min(heights)
    assert max(blackness) > 3 * min(blackness)
    assert all(cv2.countNonZero(ink) for ink in inks)
