"""The pictures of how the network came to its answer."""

from __future__ import annotations

import base64
import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mnist.model.explanation import Explanation
from mnist.ui import explanation

FRAME = np.zeros((28, 28), np.uint8)
FRAME[4:24, 14] = 255
FOUND = SimpleNamespace(frame=FRAME, prediction=SimpleNamespace(digit=1))
WHY = Explanation(np.zeros((28, 28), np.float32), tuple(np.ones((13, 6, 6), np.float32) for _ in range(4)))


@pytest.mark.parametrize("is_open", [True, False])
def test_nothing_is_computed_unless_somebody_asks(monkeypatch, is_open):
    asked, shown = [], []
    recogniser = SimpleNamespace(explain=lambda found: asked.append(found) or WHY)
    monkeypatch.setattr(explanation.services, "recogniser", lambda: recogniser)
    monkeypatch.setattr(explanation.st, "toggle", lambda *_, **__: is_open)
    monkeypatch.setattr(explanation.st, "html", shown.append)

    explanation.show(FOUND)

    assert asked == ([FOUND] if is_open else [])
    assert len(shown) == len(asked)
    assert [page.count("<img alt=") for page in shown] == ([5] if is_open else [])


def test_colours_reach_the_page_as_they_are():
    orange = np.full((2, 2, 3), explanation.FOR, np.uint8)

    page = explanation._figure(orange, "ink", "", "")

    picture = base64.b64decode(re.findall(r"base64,([^\"]+)", page)[0])
    assert Image.open(io.BytesIO(picture)).convert("RGB").getpixel((0, 0)) == explanation.FOR


def test_ink_for_the_answer_is_orange_and_ink_against_it_blue():
    importance = np.zeros((28, 28), np.float32)
    importance[5, 14], importance[6, 14] = 3, -3

    picture = explanation.coloured(FRAME, importance)

    assert tuple(picture[5, 14]) == explanation.FOR
    assert tuple(picture[6, 14]) == explanation.AGAINST
    assert tuple(picture[7, 14]) == (255, 255, 255)
    assert not picture[FRAME == 0].any()


def test_where_nothing_counts_much_colours_stay_pale():
    picture = explanation.coloured(FRAME, np.full((28, 28), 0.01, np.float32))

    assert picture[5, 14].min() > 240


def test_maps_lie_side_by_side_and_the_brightest_spot_is_white():
    maps = np.zeros((25, 6, 6), np.float32)
    maps[24, 2, 3] = 0.7

    picture = explanation.tiled(maps)

    assert picture.shape == (2 * 7, 24 * 7)
    assert picture[7 + 2, 3] == 255
    assert picture[:6, :6].max() == 0
