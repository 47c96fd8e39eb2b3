"""Make the README's animated picture, from the real application in a real browser: part of `make screenshots`.

Somebody draws a 3 in mirror image, says what it is, draws it again, and is read.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402
from sqlalchemy import URL  # noqa: E402

from tests.support.server import running_app  # noqa: E402
from tests.support.strokes import DIGITS, Stroke  # noqa: E402
from tests.support.visitor import CHROMIUM, FLAGS, Visitor  # noqa: E402

PICTURE = ROOT / "docs" / "images" / "correcting.webp"
PHONE = {"viewport": {"width": 390, "height": 664}, "is_mobile": True, "has_touch": True}
A_MOMENT, A_LOOK, A_LONG_LOOK = 60, 1400, 3000  # ms that a picture stays


class Film:
    """Screenshots of a page, and for how long each is shown."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.pictures: list[Image.Image] = []
        self.durations: list[int] = []

    def shoot(self, milliseconds: int) -> None:
        picture = Image.open(io.BytesIO(self.visitor.page.screenshot()))
        if self.pictures and picture.tobytes() == self.pictures[-1].tobytes():
            self.durations[-1] += milliseconds
        else:
            self.pictures.append(picture)
            self.durations.append(milliseconds)

    def draw(self, strokes: list[Stroke]) -> None:
        """Draw, and show how the line grows."""
        box = self.visitor.canvas.bounding_box()
        assert box is not None
        side, mouse = box["height"] / 100, self.visitor.page.mouse
        left = box["x"] + (box["width"] - box["height"]) / 2
        for stroke in strokes:
            points = [(left + x * side, box["y"] + y * side) for x, y in stroke]
            mouse.move(*points[0])
            mouse.down()
            for point in points[1:]:
                mouse.move(*point, steps=3)
                self.shoot(A_MOMENT)
            mouse.up()
        self.visitor.settle()
        self.visitor.answer.wait_for()
        self.visitor.page.wait_for_timeout(500)
        self.shoot(A_LOOK)

    def save(self, path: Path) -> None:
        first, *rest = self.pictures
        first.save(path, save_all=True, append_images=rest, duration=self.durations, loop=0, quality=80, method=6)


def mirrored(strokes: list[Stroke], down: float = 0) -> list[Stroke]:
    """The strokes in mirror image, and a little lower."""
    return [[(100 - x, y + down) for x, y in stroke] for stroke in strokes]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        url = URL.create("sqlite", database=f"{folder}/mnist.db")
        with running_app(url, Path(folder) / "log", ADMIN_PASSWORD="") as address:
            film = Film(Visitor(browser.new_context(**PHONE, color_scheme="light"), address))
            film.shoot(A_LOOK)
            film.draw(mirrored(DIGITS[3][0]))
            film.visitor.labels.filter(has_text="3").click()
            film.visitor.wait_until_empty()
            film.visitor.page.wait_for_timeout(500)
            film.shoot(A_LOOK)
            film.draw(mirrored(DIGITS[3][0], down=4))
            film.shoot(A_LONG_LOOK)
            film.save(PICTURE)
        browser.close()
    print(f"docs/images/{PICTURE.name}: {len(film.pictures)} pictures, {PICTURE.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
