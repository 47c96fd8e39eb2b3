"""A real Chromium on the real application."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright
from sqlalchemy import URL

from tests.support.server import running_app
from tests.support.visitor import CHROMIUM, FLAGS, Visitor, patience

ANSWER_MS = 20_000 * patience()


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
    with running_app(url, folder / "log", CORS_ORIGINS="null") as address:  # docs/api.md has a page to open as a file
        yield address, url


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
