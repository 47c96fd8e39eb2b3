"""A real Chromium on the real application."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Error, Locator, Page, expect, sync_playwright
from sqlalchemy import URL

from tests.browser.server import running_app
from tests.browser.strokes import Stroke

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
ANSWER_MS = 20_000  # on a busy machine of two cores
# Of two new starts for the canvas within milliseconds Streamlit cleans up after the first, which throws the canvas away
# while it loads; the second makes another and loads the newer strokes. Nothing is missing on the page.
REPLACED_WHILE_LOADING = "Cannot read properties of undefined (reading 'clearRect')"
CANVAS = "/bidi-components/streamlit-drawable-canvas."

expect.set_options(timeout=ANSWER_MS)


@pytest.fixture(scope="session")
def browser(camera_film: Path) -> Iterator[Browser]:
    """Debian's Chromium, or Playwright's own where that is installed."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, f"--use-file-for-fake-video-capture={camera_film}"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def shared_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, URL]]:
    """One server on SQLite for the tests that do not care which database is behind it: (address, database)."""
    folder = tmp_path_factory.mktemp("app")
    url = URL.create("sqlite", database=str(folder / "mnist.db"))
    with running_app(url, folder / "log") as address:
        yield address, url


class Visitor:
    """A person on the page."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page: Page = context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", self._note)
        self.page.goto(address)
        self.canvas.wait_for(timeout=60_000)

    def _note(self, error: Error) -> None:
        if REPLACED_WHILE_LOADING not in str(error) or CANVAS not in (error.stack or ""):
            self.problems.append(str(error))

    @property
    def canvas(self) -> Locator:
        return self.page.locator("canvas.upper-canvas")

    @property
    def answer(self) -> Locator:
        return self.page.locator(".answer .digit")

    @property
    def labels(self) -> Locator:
        return self.page.locator(".st-key-labels button")

    def button(self, name: str) -> Locator:
        return self.page.locator(".stButton button, .stFormSubmitButton button").filter(has_text=name)

    def choose(self, way_in: str) -> None:
        self.page.locator(".st-key-way_in button").filter(has_text=way_in).click()

    def draw(self, strokes: list[Stroke], *, size: float = 200, at: tuple[float, float] = (50, 50)) -> None:
        """Draw with the mouse; size and place in pixels of the canvas."""
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
        expect(self.page.locator(".st-key-tools button").first).to_be_disabled()

    def settle(self) -> None:
        """Wait until no stroke is under way any more: the canvas sends 200 ms after the pointer is up."""
        self.page.wait_for_timeout(450)
        expect(self.page.locator('[data-test-script-state="running"]')).to_have_count(0)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Opens the page as a new person; a crash of the page's scripts fails the test."""
    opened: list[tuple[BrowserContext, Visitor]] = []

    def open_page(address: str, *, width: int = 1280, height: int = 900, **options: object) -> Visitor:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        context.grant_permissions(["camera"])
        visitor = Visitor(context, address)
        opened.append((context, visitor))
        return visitor

    yield open_page
    problems = [problem for _, visitor in opened for problem in visitor.problems]
    for context, _ in opened:
        context.close()
    assert problems == []


@pytest.fixture
def visitor(visit: Callable[..., Visitor], shared_app: tuple[str, URL]) -> Visitor:
    return visit(shared_app[0])


@pytest.fixture(scope="session")
def camera_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's camera films: a dark seven on light paper, as raw video that Chromium can read."""
    import cv2
    import numpy as np

    paper = np.full((480, 640), 215, np.uint8)
    cv2.polylines(paper, [np.array([[220, 110], [420, 110], [300, 380]])], False, 40, 22, cv2.LINE_AA)
    grey = np.full((240, 320), 128, np.uint8)
    frame = b"FRAME\n" + paper.tobytes() + grey.tobytes() + grey.tobytes()
    film = tmp_path_factory.mktemp("camera") / "seven.y4m"
    film.write_bytes(b"YUV4MPEG2 W640 H480 F15:1 Ip A1:1 C420jpeg\n" + frame * 15)
    return film
