"""Make the README's pictures anew, from the real application in a real browser: `make screenshots`."""

from __future__ import annotations

import random
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from playwright.sync_api import BrowserContext, sync_playwright  # noqa: E402
from sqlalchemy import URL, text  # noqa: E402

from mnist.drawing import Drawing  # noqa: E402
from mnist.model.classifier import Classifier  # noqa: E402
from mnist.model.weights_file import SHIPPED_WEIGHTS  # noqa: E402
from mnist.recognition.recogniser import Recogniser  # noqa: E402
from mnist.store.drawings import Repository  # noqa: E402
from mnist.store.engine import connect  # noqa: E402
from mnist.training.handwriting.strokes import digits, held_out_styles  # noqa: E402
from mnist.vision.image_files import encode_png  # noqa: E402
from tests.support.server import running_app  # noqa: E402
from tests.support.strokes import DIGITS  # noqa: E402
from tests.support.visitor import CHROMIUM, FLAGS, Visitor  # noqa: E402

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


def fill(url: URL) -> None:
    """Some weeks of drawings by many people, most of them labelled, some of them wrongly."""
    chance = random.Random(1)
    drawn = digits(400, 5, held_out_styles(), 1)
    engine = connect(url)
    classifier = Classifier.load(SHIPPED_WEIGHTS, version=1)
    reader = Recogniser(classifier, Repository(engine), max_bytes=10**6, max_pixels=10**6)
    drawings = []
    for number, (frame, label) in enumerate(zip(drawn.frames.numpy(), drawn.labels.tolist(), strict=True)):
        picture = np.pad(cv2.resize(frame, (140, 140), interpolation=cv2.INTER_CUBIC), 10)
        at = datetime.now(UTC) - timedelta(days=20 * chance.random() ** 1.5)
        is_labelled, is_wrong = chance.random() < 0.6, chance.random() < 0.04
        drawings.append(
            reader.reread(
                Drawing(
                    image=encode_png(picture),
                    source=chance.choices(("canvas", "upload", "camera", "api"), (6, 1, 1, 1))[0],
                    session_id=f"person {number % 17}",
                    predicted_digit=None,
                    confidence=0,
                    probabilities=(),
                    verdict="",
                    model_version=0,
                    created_at=at,
                    true_label=(label + is_wrong) % 10 if is_labelled else None,
                    labelled_at=at + timedelta(minutes=1) if is_labelled else None,
                )
            )
        )
    Repository(engine).add_all(drawings)
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE predictions SET feedback_processed = true, set_aside = 'disputed' "
                "WHERE labelled_at IS NOT NULL AND true_label <> predicted_digit"
            )
        )
    engine.dispose()


def take_administration(context: BrowserContext, address: str) -> None:
    page = context.new_page()
    page.goto(f"{address}/administration")
    page.get_by_label("Password").first.fill("picture")
    page.keyboard.press("Enter")
    page.get_by_text("Disputed labels").wait_for()
    for title, name in (("History", "history"), ("Insight", "insight"), ("Administration", "administration")):
        page.locator(".st-key-pages a").filter(has_text=title).click()
        page.wait_for_timeout(5000)
        page.screenshot(path=IMAGES / f"{name}.png")
        print(f"docs/images/{name}.png")


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        url = URL.create("sqlite", database=f"{folder}/mnist.db")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with running_app(url, Path(folder) / "log", ADMIN_PASSWORD="") as address:
            for name, device, scheme in (
                ("page-light", LAPTOP, "light"),
                ("page-dark", LAPTOP, "dark"),
                ("phone-light", PHONE, "light"),
                ("phone-dark", PHONE, "dark"),
            ):
                context = browser.new_context(**device, color_scheme=scheme)
                take(context, address, name)
                context.close()
        fill(url)
        with running_app(url, Path(folder) / "log", ADMIN_PASSWORD="picture") as address:
            context = browser.new_context(**LAPTOP, color_scheme="light")
            take_administration(context, address)
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
