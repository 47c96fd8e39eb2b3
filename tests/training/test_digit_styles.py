from __future__ import annotations

import numpy as np
import pytest

from mnist.training.handwriting.digit_styles import STYLES, BadShape, parse


@pytest.mark.parametrize("style", STYLES, ids=lambda style: f"{style.digit} {style.name}")
def test_every_style_has_extremes_that_can_be_mixed(style):
    strokes = parse(style.shapes)

    assert all(stroke.points.shape[0] == len(style.shapes) for stroke in strokes)
    assert all(stroke.points.shape[1] == len(stroke.corners) >= 2 for stroke in strokes)


def test_every_digit_has_several_styles_and_keeps_one_out_of_training():
    for digit in range(10):
        styles = [style for style in STYLES if style.digit == digit]
        assert sum(not style.held_out for style in styles) >= 6
        assert sum(style.held_out for style in styles) >= 1


def test_names_are_unique_within_a_digit():
    names = [(style.digit, style.name) for style in STYLES]
    assert len(names) == len(set(names))


def test_points_corners_and_loops_are_read():
    line, loop = parse(("0,0 10,20! 30,40|@ 0,0 5,5 0,10",))

    assert line.points.tolist() == [[[0, 0], [10, 20], [30, 40]]]
    assert line.corners.tolist() == [False, True, False]
    assert (line.closed, loop.closed) == (False, True)
    assert np.array_equal(loop.points[0, 1], [5, 5])


@pytest.mark.parametrize(
    "shapes",
    [("0,0 1,1", "0,0 1,1|2,2 3,3"), ("0,0 1,1", "0,0 1,1 2,2"), ("0,0 1,1! 2,2", "0,0 1,1 2,2"), ("0,0 1;1",)],
    ids=["strokes", "points", "corners", "syntax"],
)
def test_extremes_that_do_not_match_are_refused(shapes):
    with pytest.raises(BadShape):
        parse(shapes)
