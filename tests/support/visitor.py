"""A person in front of the page, in a real Chromium: draws with the mouse or a finger, taps, waits."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from itertools import pairwise

from playwright.sync_api import BrowserContext, CDPSession, Locator, Page, expect

from tests.support.strokes import Stroke

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


def patience() -> float:
    """By how much to wait longer than on an idle machine: how many processes want each core, 1 to 8."""
    return min(8.0, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))


class Visitor:
    """A person who uses the page in a browser; `problems` holds the errors that its scripts raised."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page: Page = context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.set_default_timeout(30_000 * patience())
        self.page.goto(address)
        self.canvas.wait_for(timeout=60_000 * patience())

    @property
    def canvas(self) -> Locator:
        return self.page.locator(".stMainBlockContainer canvas.upper-canvas")  # not the one before Streamlit has loaded

    @property
    def answer(self) -> Locator:
        return self.page.locator(".answer .digit")

    @property
    def keeping(self) -> Locator:
        """The switch that keeps drawings."""
        return self.page.get_by_role("switch", name="Keep my drawings")

    @property
    def labels(self) -> Locator:
        return self.page.locator(".st-key-labels button")

    def button(self, name: str) -> Locator:
        return self.page.locator(".stButton button, .stFormSubmitButton button, .tools button").filter(has_text=name)

    def choose(self, way_in: str) -> None:
        self.page.locator(".st-key-way_in button").filter(has_text=way_in).click()

    def draw(self, strokes: list[Stroke], *, size: float = 200, at: tuple[float, float] = (50, 50)) -> None:
        """Draw with the mouse. size: of the 0–100 square, at: its upper left corner; both in pixels of the canvas."""
        self.canvas.scroll_into_view_if_needed()
        box = self.canvas.bounding_box()
        assert box is not None
        for stroke in strokes:
            points = [(box["x"] + at[0] + x * size / 100, box["y"] + at[1] + y * size / 100) for x, y in stroke]
            self.page.mouse.move(*points[0])
            self.page.mouse.down()
            for x, y in points[1:]:
                self.page.mouse.move(x, y, steps=4)
            self.page.mouse.up()

    def draw_with_finger(self, strokes: list[Stroke], *, size: float = 200, at: tuple[float, float] = (50, 50)) -> None:
        box = self.canvas.bounding_box()
        assert box is not None
        touch: CDPSession = self.page.context.new_cdp_session(self.page)
        for stroke in strokes:
            points = [
                {"x": box["x"] + at[0] + x * size / 100, "y": box["y"] + at[1] + y * size / 100} for x, y in stroke
            ]
            touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [points[0]]})
            for before, after in pairwise(points):  # a finger moves a few pixels at a time
                for share in (0.25, 0.5, 0.75, 1):
                    between = {axis: before[axis] + share * (after[axis] - before[axis]) for axis in "xy"}
                    touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [between]})
            touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def wait_until_empty(self) -> None:
        expect(self.answer).to_have_count(0)
        expect(self.button("Undo")).to_be_disabled()

    def settle(self) -> None:
        """Wait until the last stroke is answered; the browser needs a moment to send it."""
        self.page.wait_for_timeout(250)
        expect(self.page.locator('[data-test-script-state="running"]')).to_have_count(0)


def on_a_phone(visit: Callable[..., Visitor], address: str, **options: object) -> Visitor:
    """Open the page as on a phone held upright."""
    return visit(address, width=390, height=844, is_mobile=True, has_touch=True, **options)


def contrast(ink: str, paper: str) -> float:
    """Ratio of the luminances of two CSS colours, 1–21 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""

    def luminance(colour: str) -> float:
        channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
        return sum(share * each for share, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    darker, lighter = sorted((luminance(ink), luminance(paper)))
    return (lighter + 0.05) / (darker + 0.05)


def as_file(name: str, data: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}
