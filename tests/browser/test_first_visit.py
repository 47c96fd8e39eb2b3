"""A first visit over a slow line: there is a pad before Streamlit has loaded, and nothing drawn on it is lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.strokes import SEVEN
from tests.support.visitor import patience

STREAMLIT = "**/static/js/index.*.js"
MOST_BYTES = 700_000  # before the first answer; 674 kB for the first visitor, 626 once the scripts are pressed


class SlowLine:
    """Opens the page and holds Streamlit's scripts back until `go_on`."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self._held = page, list[Route]()
        page.set_default_timeout(30_000 * patience())
        page.route(STREAMLIT, lambda route: self._held.append(route))  # Playwright takes no built-in
        page.goto(address, wait_until="commit")
        self.pad = page.locator(".skeleton canvas.upper-canvas")
        self.pad.wait_for()

    def go_on(self) -> None:
        for route in self._held:
            route.continue_()
        self.page.unroute(STREAMLIT)

    def begin_seven(self) -> None:
        """Everything but lifting the pen."""
        box = self.pad.bounding_box()
        assert box is not None
        points = [(box["x"] + 60 + x * 1.6, box["y"] + 40 + y * 1.6) for x, y in SEVEN[0]]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for x, y in points[1:]:
            self.page.mouse.move(x, y, steps=4)


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 390, "height": 664})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("lifted", ["before Streamlit has its pad", "after"])
def test_what_is_drawn_before_streamlit_has_loaded_is_read(page, shared_app, lifted):
    line = SlowLine(page, shared_app[0])
    before = line.pad.bounding_box()
    line.begin_seven()
    if lifted == "after":
        line.go_on()
        page.locator(".stMainBlockContainer canvas.upper-canvas").wait_for(state="attached")
        expect(line.pad).to_have_count(1)
    page.mouse.up()
    if lifted != "after":
        line.go_on()

    expect(page.locator(".answer .digit")).to_have_text("7")
    expect(page.locator(".skeleton")).to_have_count(0)
    after = page.locator("canvas.upper-canvas").bounding_box()
    assert after == pytest.approx(before, abs=1.5)  # it does not jump


def test_a_pad_that_cannot_load_keeps_nobody_from_the_page(page, shared_app):
    page.route("**/pad/pad.js*", lambda route: route.abort())

    page.goto(shared_app[0])

    expect(page.locator(".st-key-way_in")).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)


def test_a_first_visit_stays_small(page, shared_app):
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")
    loaded: list[float] = []
    line.on("Network.loadingFinished", lambda event: loaded.append(event["encodedDataLength"]))
    page.goto(shared_app[0])
    page.locator(".stMainBlockContainer canvas.upper-canvas").wait_for()
    box = page.locator("canvas.upper-canvas").bounding_box()
    page.mouse.move(box["x"] + 150, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 152, box["y"] + 200, steps=5)
    page.mouse.up()
    expect(page.locator(".answer .digit")).to_have_text("1")

    assert 300_000 < sum(loaded) < MOST_BYTES
