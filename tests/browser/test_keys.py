"""Labelling with the keyboard, and mending a wrong label."""

from __future__ import annotations

from contextlib import suppress

import pytest
from playwright.sync_api import expect

from tests.support.rows import how_many, stored
from tests.support.strokes import ONE, SEVEN


@pytest.mark.parametrize(("key", "label"), [("3", 3), ("n", None), ("y", 7)])
def test_a_key_labels_the_drawing(visit, shared_app, key, label):
    address, url = shared_app
    visitor = visit(address)
    visitor.draw(SEVEN)
    visitor.settle()
    expect(visitor.answer).to_have_text("7")
    expect(visitor.labels.last).to_be_visible()

    thanks = visitor.page.get_by_text("Thank you!", exact=False)
    for _ in range(5):  # Streamlit listens to the key of a button a moment after it shows it
        visitor.page.keyboard.press(key)
        with suppress(AssertionError):
            expect(thanks).to_be_visible(timeout=4000)
            break

    expect(thanks).to_be_visible()
    assert (stored(url)[0].is_labelled, stored(url)[0].true_label) == (True, label)


def test_focus_returns_to_the_pad_from_a_button_that_goes(visitor):
    visitor.draw(SEVEN)
    visitor.settle()
    visitor.button("Yes, it’s a 7").focus()
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.get_by_text("Thank you! Stored as 7.")).to_be_visible()

    expect(visitor.page.locator(".pad")).to_be_focused()
    visitor.page.keyboard.press("Tab")
    expect(visitor.button("Undo")).to_be_focused()


FOCUS = """() => {
  let at = document.activeElement;
  while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  const shown = at.tagName === "INPUT" ? at.closest("label") : at;
  const marked = [shown, ...at.querySelectorAll(".canvas-root")].map(getComputedStyle);
  const name = at.getAttribute("aria-label") ?? shown.innerText;
  return {
    name: at === document.body || at.tagName === "MAIN" ? at.tagName : name.trim().split("\\n").pop(),
    visible: marked.some((each) => each.outlineStyle !== "none" || each.boxShadow !== "none"),
  };
}"""


def test_a_walk_with_the_tab_key_reaches_everything_in_order_and_shows_where_it_is(visitor):
    visitor.draw(SEVEN)
    visitor.settle()
    expect(visitor.answer).to_have_text("7")
    expect(visitor.page.get_by_text("Show how it thinks")).to_be_visible()
    visitor.page.get_by_role("link", name="Draw", exact=True).focus()

    walk = [visitor.page.evaluate(FOCUS)]
    while walk[-1]["name"] != "BODY" and len(walk) < 30:  # BODY: the end of the page
        visitor.page.keyboard.press("Tab")
        walk.append(visitor.page.evaluate(FOCUS))

    names = [stop["name"] for stop in walk]
    pad, keep = "Drawing area. With a keyboard: Upload, above.", "Keep my drawings, to improve the program"
    before = ["Draw", "History", "Insight", "Model", "Draw", pad, "Undo", "Clear"]
    assert names[:12] == [*before, "Y", "0", "Show how it thinks", keep]
    assert [stop["name"] for stop in walk if not stop["visible"] and stop["name"] != "BODY"] == []


def test_the_focus_is_not_lost_when_a_label_is_mended(visitor):
    visitor.draw(SEVEN)
    visitor.settle()
    visitor.button("Yes, it’s a 7").focus()
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.get_by_text("Thank you! Stored as 7.")).to_be_visible()

    visitor.button("Change it").focus()
    visitor.page.keyboard.press("Enter")
    expect(visitor.labels.first).to_be_focused()
    visitor.page.keyboard.press("Enter")

    expect(visitor.page.get_by_text("Thank you! Stored as 0.")).to_be_visible()
    expect(visitor.page.locator(".pad")).to_be_focused()


def test_a_wrong_label_is_mended_where_the_thanks_are(visit, shared_app):
    address, url = shared_app
    visitor = visit(address)
    visitor.draw(SEVEN)
    visitor.settle()
    expect(visitor.labels.last).to_be_visible()
    before = how_many(url)
    visitor.page.keyboard.press("1")
    expect(visitor.page.get_by_text("Thank you! Stored as 1.")).to_be_visible()

    visitor.button("Change it").click()
    visitor.labels.filter(has_text="7").click()

    expect(visitor.page.get_by_text("Thank you! Stored as 7.")).to_be_visible()
    expect(visitor.button("Change it")).to_be_visible()
    assert (how_many(url), stored(url)[0].true_label) == (before, 7)
    visitor.draw(ONE)
    expect(visitor.answer).to_have_text("1")
    expect(visitor.button("Change it")).to_have_count(0)


def test_typing_a_number_labels_nothing(visitor):
    visitor.draw([[(0, 0), (100, 100)], [(0, 100), (100, 0)], [(50, -10), (50, 110)]])
    visitor.settle()
    field = visitor.page.get_by_label("Or is it a number of several digits?")
    field.focus()
    visitor.page.keyboard.type("2026n")
    visitor.page.keyboard.press("Backspace")

    expect(field).to_have_value("2026")
    expect(visitor.answer).to_be_visible()
