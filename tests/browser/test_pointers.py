"""Fingers, palms and pens on the pad: what is on it is what is read, by the browser's own touch and pen events."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.support.rows import stored
from tests.support.strokes import DIGITS, SEVEN, Stroke
from tests.support.visitor import Visitor, on_a_phone

BAR, STEM = DIGITS[4][1]  # the two strokes of a 4; the second alone is a 1
Place = tuple[float, float]


class Hand:
    """Fingers on the screen, by their numbers; places are on the pad, or on the page with `on_page`."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._session = visitor.page.context.new_cdp_session(visitor.page)
        self._down: dict[int, dict[str, float]] = {}

    def touch(self, finger: int, place: Place, *, on_page: bool = False) -> None:
        self._put(finger, place, on_page)
        self._send("touchStart")

    def move(self, finger: int, line: Sequence[Place]) -> None:
        for place in between(line):
            self._put(finger, place, False)
            self._send("touchMove")

    def lift(self, finger: int) -> None:
        self._session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": [self._down.pop(finger)]})

    def lose(self) -> None:
        """The system takes all touches away."""
        self._down.clear()
        self._session.send("Input.dispatchTouchEvent", {"type": "touchCancel", "touchPoints": []})

    def draw(self, finger: int, line: Stroke) -> None:
        points = on_pad(line)
        self.touch(finger, points[0])
        self.move(finger, points)
        self.lift(finger)

    def pen(self, line: Stroke) -> None:
        box = self._box
        points = [(box["x"] + x, box["y"] + y) for x, y in on_pad(line)]
        self._pen("mousePressed", *points[0])
        for place in between(points):
            self._pen("mouseMoved", *place)
        self._pen("mouseReleased", *points[-1])

    def _pen(self, kind: str, x: float, y: float) -> None:
        buttons = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen", "force": 0.5}
        self._session.send("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **buttons})

    @property
    def _box(self) -> dict[str, float]:
        box = self._visitor.canvas.bounding_box()
        assert box is not None
        return box  # type: ignore[return-value]

    def _put(self, finger: int, place: Place, on_page: bool) -> None:
        left, top = (0, 0) if on_page else (self._box["x"], self._box["y"])
        self._down[finger] = {"x": left + place[0], "y": top + place[1], "id": finger}

    def _send(self, kind: str) -> None:
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(self._down.values())})


def on_pad(line: Stroke, size: float = 170, at: Place = (60, 25)) -> list[Place]:
    return [(at[0] + x * size / 100, at[1] + y * size / 100) for x, y in line]


def between(line: Sequence[Place]) -> Iterator[Place]:
    """The places that a pointer goes through, a few pixels apart, without the first."""
    for (x0, y0), (x1, y1) in pairwise(line):
        yield from ((x0 + share * (x1 - x0), y0 + share * (y1 - y0)) for share in (0.25, 0.5, 0.75, 1))


@pytest.fixture(params=[1, 2, 3])
def phone(visit, shared_app, request) -> Visitor:
    return on_a_phone(visit, shared_app[0], device_scale_factor=request.param)


def assert_what_is_shown_is_stored(visitor: Visitor, url: object) -> None:
    visitor.settle()
    shown = visitor.page.locator("canvas.dc-canvas.lower-canvas").evaluate("canvas => canvas.toDataURL('image/png')")
    picture = stored(url)[0].image  # type: ignore[arg-type]
    on_page, in_row = (_ink(shown), np.asarray(Image.open(io.BytesIO(picture)).convert("L")))
    assert np.array_equal(on_page, in_row)


def _ink(data_url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data_url.partition(",")[2]))).convert("L"))


def test_a_stroke_whose_touch_the_system_takes_away_is_read(phone, shared_app):
    hand = Hand(phone)
    points = on_pad(BAR)
    hand.touch(1, points[0])
    hand.move(1, points)
    hand.lose()
    phone.settle()
    assert_what_is_shown_is_stored(phone, shared_app[1])

    hand.draw(1, STEM)

    expect(phone.answer).to_have_text("4")
    assert_what_is_shown_is_stored(phone, shared_app[1])


def test_a_thumb_elsewhere_neither_holds_the_answer_back_nor_wipes_ink(phone, shared_app):
    hand = Hand(phone)
    hand.touch(9, (20, 820), on_page=True)  # and stays there
    hand.draw(1, BAR)
    phone.settle()
    hand.draw(1, STEM)

    expect(phone.answer).to_have_text("4")
    hand.lift(9)
    expect(phone.answer).to_have_text("4")
    assert_what_is_shown_is_stored(phone, shared_app[1])


def test_a_second_finger_on_the_pad_draws_nothing(phone, shared_app):
    hand = Hand(phone)
    points = on_pad(SEVEN[0])
    hand.touch(1, points[0])
    hand.move(1, points[:2])
    hand.touch(2, (20, 20))
    hand.move(2, [(20, 20), (20, 200)])
    hand.lift(2)
    hand.move(1, points[1:])
    hand.lift(1)

    expect(phone.answer).to_have_text("7")
    assert_what_is_shown_is_stored(phone, shared_app[1])


def test_a_palm_counts_for_nothing_once_a_pen_draws(phone, shared_app):
    hand = Hand(phone)
    hand.touch(1, (30, 180))  # the palm comes first
    hand.move(1, [(30, 180), (34, 184)])
    hand.pen(BAR)
    phone.settle()
    hand.lift(1)
    hand.draw(2, [(0, 90), (10, 95)])
    hand.pen(STEM)

    expect(phone.answer).to_have_text("4")
    assert_what_is_shown_is_stored(phone, shared_app[1])
    left, below = (30 / 358, 180 / 264)
    picture = np.asarray(Image.open(io.BytesIO(stored(shared_app[1])[0].image)).convert("L"))
    assert picture[int(below * picture.shape[0]), int(left * picture.shape[1])] == 0


def test_a_stroke_that_ends_outside_the_pad_is_whole_and_read(phone, shared_app):
    hand = Hand(phone)
    points = [*on_pad(SEVEN[0]), (120, 600)]
    hand.touch(1, points[0])
    hand.move(1, points)
    hand.lift(1)

    expect(phone.labels.first).to_be_visible()
    assert_what_is_shown_is_stored(phone, shared_app[1])
    assert phone.page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0
