"""Times a stroke, from the pointer's release to the visible answer, in headless Chromium, beside other pages.

Run it with `python -m benchmarks.stroke [--strokes 50]`. The others are the floor, a Streamlit page with the same
canvas that only prints a sum, and Gradio's Sketchpad. The pages take turns after every stroke, in a new order each
time, because Gradio is still at work when the next turn comes. The browser's clock measures from the release event to
the frame that shows the answer.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.machine import machine
from benchmarks.peers import PINS, floor, gradio, ours
from benchmarks.results import ratio, record, spread

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SEVENS = 5  # shapes that take turns
WARM_UP = 5

WATCH = """
selector => {
  window.released = null; window.answered = null;
  addEventListener("pointerup", event => { window.released = event.timeStamp; }, true);
  const look = () => {
    if (window.released === null || window.answered !== null) return;
    const found = document.querySelector(selector);
    if (found && found.textContent.trim()) {
      window.answered = 0;
      requestAnimationFrame(() => { window.answered = performance.now(); });
    }
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}
"""
OUR_CANVAS = ".stMainBlockContainer canvas.upper-canvas"  # not the one before Streamlit has loaded


@dataclass(frozen=True)
class Subject:
    """One of the pages, and where its parts are."""

    page: Page
    canvas: str
    answer: str
    clear: str
    brush: str = ""  # what has to be chosen first

    def time_stroke(self, number: int) -> float:
        """Milliseconds from the pointer's release to the answer; the canvas is empty before and after."""
        self.page.bring_to_front()
        if self.brush:
            self.page.locator(self.brush).click()
            self.page.wait_for_timeout(150)
        self.page.evaluate("window.released = window.answered = null")
        box = self.page.locator(self.canvas).last.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        shift = 4 * (number % SEVENS)
        mouse = self.page.mouse
        mouse.move(x - 55 + shift, y - 80)
        mouse.down()
        mouse.move(x + 55, y - 80, steps=5)
        mouse.move(x - 20 - shift, y + 90, steps=8)
        mouse.up()
        self.page.wait_for_function("window.answered > 0", timeout=20_000)
        took: float = self.page.evaluate("window.answered - window.released")
        self.page.wait_for_timeout(250)  # whatever else the page still draws
        self.page.locator(self.clear).first.click()
        self.page.wait_for_function(
            "selector => !document.querySelector(selector)?.textContent.trim()", arg=self.answer, timeout=20_000
        )
        self.page.wait_for_timeout(250)
        return took


def open_page(browser: Browser, port: int, canvas: str, answer: str, clear: str, brush: str = "") -> Subject:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(f"http://127.0.0.1:{port}")
    page.locator(canvas).last.wait_for(timeout=60_000)
    page.wait_for_timeout(2000)
    page.evaluate(WATCH, answer)
    return Subject(page, canvas, answer, clear, brush)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strokes", type=int, default=50)
    strokes = parser.parse_args().strokes
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ports = [stack.enter_context(each)[0] for each in (ours(Path(folder)), floor(), gradio())]
        chromium = stack.enter_context(sync_playwright()).chromium
        browser = chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        version = browser.version
        pages = {
            "ours": open_page(browser, ports[0], OUR_CANVAS, ".answer .digit", ".tools .clear"),
            "floor": open_page(browser, ports[1], "canvas.upper-canvas", ".sum", ".stButton button"),
            "Gradio": open_page(
                browser,
                ports[2],
                "canvas",
                '[data-testid="label-output-value"]',
                'button:text-is("Clear")',
                '[aria-label="Brush"]',
            ),
        }
        times: dict[str, list[float]] = {name: [] for name in pages}
        rng = random.Random(0)
        for number in range(strokes + WARM_UP):
            for name in rng.sample(list(pages), len(pages)):
                took = pages[name].time_stroke(number)
                if number >= WARM_UP:
                    times[name].append(took)
        browser.close()
    record(
        "stroke",
        f"{machine('streamlit', 'streamlit-drawable-canvas', 'torch')}, Chromium {version}, gradio {PINS['gradio']}; "
        f"n = {strokes} strokes each",
        {f"{name}, release → answer": spread(found, "ms", 0) for name, found in times.items()},
        {
            "the page / the floor": ratio(times["ours"], times["floor"], "<= 0.45"),
            "the page / Gradio": ratio(times["ours"], times["Gradio"], "<= 0.1"),
        },
    )


if __name__ == "__main__":
    main()
