"""The page on the screens that people have: upright and sideways phones, a zoomed laptop, a projector."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.support.strokes import ONE, SEVEN
from tests.support.visitor import Visitor, on_a_phone

PARTS = ("canvas.upper-canvas", ".answer .digit", "[class*=st-key-label_likely] button", ".tools")


def _bottom(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["y"] + box["height"]


def _draw_seven(visitor: Visitor) -> None:
    box = visitor.canvas.bounding_box()
    assert box is not None
    size = 0.8 * min(box["width"], box["height"])
    visitor.draw_with_finger(SEVEN, size=size, at=((box["width"] - size) / 2, (box["height"] - size) / 2))
    visitor.settle()
    expect(visitor.answer).to_have_text("7")
    expect(visitor.labels).to_have_count(11)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 664), (664, 340), (844, 390), (360, 640)])
def test_canvas_answer_and_keys_are_on_one_screen_of_a_phone(visit, shared_app, width, height, scheme):
    visitor = visit(shared_app[0], width=width, height=height, is_mobile=True, has_touch=True, color_scheme=scheme)
    _draw_seven(visitor)

    for part in (*(visitor.page.locator(each).first for each in PARTS), *visitor.labels.all()):
        assert _bottom(part) <= height
    assert visitor.page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0
    if height > width:  # as wide as the screen
        box = visitor.canvas.bounding_box()
        assert box is not None
        assert box["width"] >= width - 40


@pytest.mark.parametrize(("width", "height"), [(390, 664), (320, 568), (640, 450)])  # the last: 1280 px at 200 %
def test_every_page_is_one_visible_tap_away(visit, shared_app, width, height):
    visitor = visit(shared_app[0], width=width, height=height)

    for name in ("History", "Insight", "Model", "Draw"):
        link = visitor.page.get_by_role("link", name=name)
        box = link.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        link.click()
        expect(visitor.page).to_have_title(f"{name} · Draw a digit" if name != "Draw" else "Draw a digit")


def test_turning_the_phone_keeps_the_drawing(visit, shared_app):
    visitor = visit(shared_app[0], width=390, height=664, is_mobile=True, has_touch=True)
    _draw_seven(visitor)
    before = visitor.canvas.evaluate("canvas => [canvas.width, canvas.height]")

    visitor.page.set_viewport_size({"width": 664, "height": 390})
    visitor.page.wait_for_timeout(500)

    expect(visitor.answer).to_have_text("7")
    assert visitor.canvas.evaluate("canvas => [canvas.width, canvas.height]") == before
    box = visitor.canvas.bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(before[0] / before[1], rel=0.02)


def test_a_projector_is_filled(visit, shared_app):
    visitor = visit(f"{shared_app[0]}/?large", width=1920, height=1080)
    visitor.draw(ONE, size=600, at=(200, 100))
    visitor.settle()
    expect(visitor.answer).to_have_text("1")

    box = visitor.canvas.bounding_box()
    assert box is not None
    assert box["height"] >= 800
    assert _bottom(visitor.page.locator(".tools")) <= 1080
    assert _bottom(visitor.page.locator(".bars")) <= 1080
    digit = visitor.answer.bounding_box()
    assert digit is not None
    assert digit["height"] >= 200


def test_the_title_is_whole_on_a_phone(visit, shared_app):
    visitor = on_a_phone(visit, shared_app[0])
    visitor.choose("Upload")
    expect(visitor.page.locator('input[type="file"]')).to_have_count(1)

    below = visitor.page.locator(".st-key-way_in").bounding_box()

    assert below is not None
    assert _bottom(visitor.page.locator("h1")) <= below["y"]
