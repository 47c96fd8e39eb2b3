"""The page as people use it: real strokes in a real browser, real rows in a real database."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

from mnist.vision.image_files import encode_png
from tests.resilience.conftest import Proxy
from tests.support.rows import how_many
from tests.support.strokes import DIGITS, ONE, SEVEN, STAR
from tests.support.visitor import as_file, contrast, on_a_phone


@pytest.mark.parametrize("digit", range(10))
def test_a_drawn_digit_is_read(visitor, digit):
    for way, strokes in enumerate(DIGITS[digit]):
        if way:
            visitor.button("Clear").click()
            visitor.wait_until_empty()

        visitor.draw(strokes)
        visitor.settle()

        expect(visitor.answer).to_have_text(str(digit))


def test_a_drawing_of_two_strokes_is_one_row(visit, shared_app):
    address, url = shared_app
    before = how_many(url)
    visitor = visit(address)

    for stroke in DIGITS[7][1]:
        visitor.draw([stroke])
        visitor.settle()
    expect(visitor.answer).to_have_text("7")

    assert how_many(url) == before + 1


def test_undo_takes_the_last_stroke_back_and_clear_all_of_them(visitor):
    visitor.draw(DIGITS[4][1])
    visitor.settle()
    expect(visitor.answer).to_have_text("4")
    with_both = visitor.page.locator(".seen img").get_attribute("src")

    visitor.button("Undo").click()
    expect(visitor.page.locator(".seen img")).not_to_have_attribute("src", with_both or "")
    visitor.draw([DIGITS[4][1][1]])
    visitor.settle()
    expect(visitor.answer).to_have_text("4")

    visitor.button("Clear").click()
    visitor.wait_until_empty()
    visitor.draw(ONE)
    visitor.settle()
    expect(visitor.answer).to_have_text("1")


@pytest.mark.parametrize(
    ("tapped", "before", "late", "digit"),
    [("Undo", [DIGITS[4][1][0], [(0, 0), (100, 0)]], DIGITS[4][1][1], "4"), ("Clear", STAR, ONE[0], "1")],
)
def test_a_stroke_that_comes_before_the_answer_to_undo_or_clear_is_kept(visit, shared_app, tapped, before, late, digit):
    proxy = Proxy(int(shared_app[0].rpartition(":")[2]))
    visitor = visit(f"http://localhost:{proxy.port}")
    visitor.draw(before)
    visitor.settle()
    expect(visitor.answer).not_to_have_text(digit)

    proxy.delay = 0.6  # seconds, in each direction
    visitor.button(tapped).click()
    visitor.draw([late])
    visitor.page.wait_for_timeout(4000)
    proxy.delay = 0

    visitor.settle()
    expect(visitor.answer).to_have_text(digit)
    proxy.close()


def test_the_keyboard_undoes_confirms_and_clears(visitor):
    visitor.draw(SEVEN)
    visitor.settle()
    expect(visitor.answer).to_have_text("7")
    visitor.page.keyboard.press("Backspace")
    visitor.wait_until_empty()

    visitor.draw(SEVEN)
    visitor.settle()
    expect(visitor.answer).to_have_text("7")
    visitor.page.keyboard.press("y")

    expect(visitor.page.get_by_text("Thank you! Stored as 7.")).to_be_visible()


def test_the_answer_shows_ten_bars_and_what_the_network_sees(visitor):
    visitor.draw(SEVEN)
    visitor.settle()

    expect(visitor.page.locator(".answer .sure")).to_contain_text("%")
    bars = visitor.page.locator(".bars li i")
    expect(bars).to_have_count(10)
    width = bars.evaluate_all("bars => bars.map(bar => bar.getBoundingClientRect().width)")
    assert width[7] > 100 > 10 > max(width[:7] + width[8:])
    picture = visitor.page.locator(".seen img")
    assert picture.evaluate("img => [img.naturalWidth, img.naturalHeight]") == [28, 28]


def test_another_way_in_starts_with_nothing_on_the_page(visitor):
    visitor.draw(SEVEN)
    visitor.settle()
    expect(visitor.answer).to_have_text("7")

    visitor.choose("Upload")
    expect(visitor.page.get_by_text("Choose a picture, or drop one here.")).to_be_visible()
    visitor.choose("Draw")

    visitor.wait_until_empty()
    visitor.draw(ONE)
    visitor.settle()
    expect(visitor.answer).to_have_text("1")


def test_one_visitor_does_not_see_anothers_drawings(visit, shared_app):
    first, second = visit(shared_app[0]), visit(shared_app[0])
    first.draw(ONE)
    first.settle()
    first.button("Yes, it’s a 1").click()
    expect(first.page.locator(".latest figure")).to_have_count(1)

    second.page.reload()
    second.canvas.wait_for()

    expect(second.page.get_by_text("Nothing yet.")).to_be_visible()
    expect(second.page.locator(".latest figure")).to_have_count(0)


def test_a_visitor_who_comes_back_finds_their_drawings(visitor):
    visitor.draw(ONE)
    visitor.settle()
    visitor.button("Yes, it’s a 1").click()
    expect(visitor.page.locator(".latest figure")).to_have_count(1)

    visitor.page.reload()
    visitor.canvas.wait_for()

    expect(visitor.page.locator(".latest figure")).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_written_can_be_read_in_both_themes(visit, shared_app, scheme):
    visitor = visit(shared_app[0], color_scheme=scheme)
    visitor.draw(SEVEN)
    visitor.settle()

    for place in (".st-key-label_likely_7 button", ".st-key-labels button", ".bars li", ".answer .digit"):
        ink, paper = visitor.page.locator(place).first.evaluate(COLOURS)
        assert contrast(ink, paper) >= 4.5, f"{place}: {ink} on {paper}"  # WCAG 2.2, 1.4.3


COLOURS = """element => {
  let paper = element;
  while (getComputedStyle(paper).backgroundColor === "rgba(0, 0, 0, 0)") paper = paper.parentElement;
  return [getComputedStyle(element.querySelector("p") ?? element).color, getComputedStyle(paper).backgroundColor];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390])
def test_a_finger_draws_on_a_phone_and_the_page_stays_put(visit, shared_app, width, scheme):
    visitor = visit(shared_app[0], width=width, height=844, is_mobile=True, has_touch=True, color_scheme=scheme)

    visitor.draw_with_finger(SEVEN, size=180)
    visitor.settle()

    expect(visitor.answer).to_have_text("7")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
    assert visitor.page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0
    for label in visitor.labels.all():
        box = label.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["height"] >= 40  # a thumb


def test_a_finger_draws_in_every_corner_and_nothing_invisible_can_be_touched(visit, shared_app):
    visitor = on_a_phone(visit, shared_app[0])
    for x, y in ((8, 8), (250, 8), (292, 24), (8, 292), (292, 292)):  # each stroke by itself
        visitor.draw_with_finger([[(x, y), (x - 5, y), (150, 150)]], size=100, at=(0, 0))
        visitor.settle()
        expect(visitor.labels.first).to_be_visible()
        visitor.button("Clear").click()
        visitor.wait_until_empty()

    toolbar = visitor.page.locator(".dc-toolbar")
    assert not any(each.is_visible() for each in toolbar.all())
    assert [each for each in visitor.page.get_by_role("button").all() if each.inner_text().strip() == "Edit"] == []


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("digits", ["20265", "123456789012"])
def test_a_long_number_stays_on_the_page(visit, shared_app, digits, width):
    visitor = visit(shared_app[0], width=width, height=844)
    picture = np.full((140, 110 * len(digits)), 255, np.uint8)
    for place, digit in enumerate(digits):
        cv2.putText(picture, digit, (20 + 110 * place, 120), cv2.FONT_HERSHEY_SIMPLEX, 4, 0, 9, cv2.LINE_AA)
    visitor.choose("Upload")
    visitor.page.locator("input[type=file]").set_input_files(as_file("number.png", encode_png(picture)))
    expect(visitor.page.locator(".answer .number")).to_be_visible()

    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
    for part in (".answer .number", ".answer .sure"):
        box = visitor.page.locator(part).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width
        assert box["height"] < 330


def test_every_page_has_its_title(visitor):
    expect(visitor.page).to_have_title("Draw a digit")
    for name in ("History", "Insight", "Model"):
        visitor.page.get_by_role("link", name=name).click()
        expect(visitor.page).to_have_title(f"{name} · Draw a digit")
    visitor.page.get_by_role("link", name="Draw").click()
    expect(visitor.page).to_have_title("Draw a digit")
