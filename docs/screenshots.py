"""Make the README's pictures anew, from the real application in a real browser: `make screenshots`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import BrowserContext, sync_playwright  # noqa: E402
from sqlalchemy import URL  # noqa: E402

from tests.browser.conftest import CHROMIUM, FLAGS, Visitor  # noqa: E402
from tests.browser.server import running_app  # noqa: E402
from tests.browser.strokes import DIGITS  # noqa: E402

IMAGES = ROOT / "docs" / "images"
LAPTOP = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def take(context: BrowserContext, address: str, name: str) -> None:
    """Draw three digits, label two, and photograph the page with the third on it."""
    visitor = Visitor(context, address)
    for digit, way, label in ((2, 0, "2"), (9, 1, "9"), (7, 1, None)):
        visitor.draw(DIGITS[digit][way])
        visitor.settle()
        visitor.answer.wait_for()
        if label:
            visitor.labels.filter(has_text=label).click()
            visitor.wait_until_empty()
    visitor.page.wait_for_timeout(1000)
    visitor.page.mouse.move(5, 5)
    visitor.page.screenshot(path=IMAGES / f"{name}.png")
    print(f"docs/images/{name}.png")


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        url = URL.create("sqlite", database=f"{folder}/mnist.db")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with running_app(url, Path(folder) / "log") as address:
            for name, device, scheme in (
                ("page-light", LAPTOP, "light"),
                ("page-dark", LAPTOP, "dark"),
                ("phone-light", PHONE, "light"),
                ("phone-dark", PHONE, "dark"),
            ):
                context = browser.new_context(**device, color_scheme=scheme)
                take(context, address, name)
                context.close()
        browser.close()


if __name__ == "__main__":
    main()
