"""The page as people use it: real strokes in a real browser, real rows in a real database."""

from __future__ import annotations

import io
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import URL, create_engine, text

from mnist.drawing import Drawing
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.vision.image_files import encode_png
from tests.resilience.conftest import Proxy
from tests.support.server import running_app
from tests.support.strokes import DIGITS

SEVEN = DIGITS[7][0]
ONE = DIGITS[1][0]
STAR = [[(0, 0), (100, 100)], [(0, 100), (100, 0)], [(50, -10), (50, 110)]]


def stored(url: URL) -> list[Drawing]:
    """The latest hundred drawings, newest first."""
    engine = connect(url)
    try:
        return Repository(engine).recent(limit=100)
    finally:
        engine.dispose()


def how_many(url: URL) -> int:
    """Drawings in the database, of everybody."""
    engine = connect(url)
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT count(*) FROM predictions")).scalar_one()
    finally:
        engine.dispose()


def picture_of_a_seven(*, paper: int = 235, ink: int = 30) -> np.ndarray:
    picture = np.full((400, 360), paper, np.uint8)
    cv2.polylines(picture, [np.array([[90, 80], [270, 80], [160, 330]])], False, ink, 24, cv2.LINE_AA)
    return picture


def as_file(name: str, data: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


@pytest.mark.parametrize("digit", range(10))
def test_a_drawn_digit_is_read(visitor, digit):
    for way, strokes in enumerate(DIGITS[digit]):
        if way:
            visitor.button("Clear").click()
            visitor.wait_until_empty()

        visitor.draw(strokes)
        visitor.settle()

        expect(visitor.answer).to_have_text(str(digit))


def test_a_correction_is_in_the_database_with_the_drawing(visit, database_url, tmp_path):
    with running_app(database_url, tmp_path / "log") as address:
        visitor = visit(address)
        visitor.draw(SEVEN)
        visitor.settle()
        expect(visitor.answer).to_have_text("7")

        visitor.labels.filter(has_text="1").click()

        expect(visitor.page.get_by_text("Thank you! Stored as 1.")).to_be_visible()
        visitor.wait_until_empty()
        [row] = stored(database_url)

    assert (row.predicted_digit, row.true_label, row.source, row.verdict) == (7, 1, "canvas", "digit")
    assert row.session_id
    assert sum(row.probabilities) == pytest.approx(1)
    picture = np.asarray(Image.open(io.BytesIO(row.image)).convert("L"))
    assert picture.shape == (300, 300)
    rows, columns = np.nonzero(picture > 128)
    # The seven spans 22–76 % by 14–90 % of a 200 px square that lies 50 px into the canvas; the brush rounds corners.
    assert (rows.min(), rows.max()) == pytest.approx((78 - 9, 230 + 9), abs=8)
    assert (columns.min(), columns.max()) == pytest.approx((94 - 9, 202 + 9), abs=8)


def test_yes_confirms_what_was_read(visit, shared_app):
    address, url = shared_app
    visitor = visit(address)
    visitor.draw(ONE)
    visitor.settle()

    visitor.button("Yes, it’s a 1").click()

    expect(visitor.page.get_by_text("Thank you! Stored as 1.")).to_be_visible()
    assert (stored(url)[0].predicted_digit, stored(url)[0].true_label) == (1, 1)
    expect(visitor.page.locator(".latest figure")).to_have_count(1)
    expect(visitor.page.locator(".latest .right")).to_have_text(re.compile("it is 1"))


def test_not_a_digit_is_a_label_too(visit, shared_app):
    address, url = shared_app
    visitor = visit(address)
    visitor.draw(ONE)
    visitor.settle()

    visitor.labels.filter(has_text="not a digit").click()

    expect(visitor.page.get_by_text("Stored as not a digit.")).to_be_visible()
    newest = stored(url)[0]
    assert (newest.is_labelled, newest.true_label) == (True, None)


def test_a_label_can_be_chosen_with_the_keyboard(visit, shared_app):
    address, url = shared_app
    visitor = visit(address)
    visitor.draw(ONE)
    visitor.settle()

    visitor.labels.first.focus()
    for key in ("ArrowRight", "ArrowRight", "Space"):
        visitor.page.keyboard.press(key)

    expect(visitor.page.get_by_text("Thank you! Stored as 2.")).to_be_visible()
    assert stored(url)[0].true_label == 2


def test_the_same_label_for_one_drawing_after_another(visit, shared_app):
    address, url = shared_app
    visitor = visit(address)
    for _ in range(2):
        visitor.draw(ONE)
        visitor.settle()
        visitor.labels.filter(has_text="4").click()
        expect(visitor.page.get_by_text("Thank you! Stored as 4.")).to_be_visible()
        visitor.wait_until_empty()

    assert [each.true_label for each in stored(url)[:2]] == [4, 4]


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


def test_the_labels_stay_where_they_are_while_the_answer_changes(visit, shared_app):
    visitor = on_a_phone(visit, shared_app[0])
    places = []
    for drawing in (STAR, SEVEN):
        visitor.draw(drawing)
        visitor.settle()
        places.append(visitor.labels.last.bounding_box())
        visitor.button("Clear").click()
        expect(visitor.answer).to_have_count(0)

    assert places[0] == places[1]


def test_what_is_no_digit_is_confirmed_with_a_tap_and_has_no_bars(visit, shared_app):
    address, url = shared_app
    visitor = visit(address)
    visitor.draw(STAR)
    visitor.settle()
    expect(visitor.answer).to_have_text("?")
    expect(visitor.page.locator(".bars")).to_have_count(0)

    visitor.button("Yes, it’s not a digit").click()

    expect(visitor.page.get_by_text("Stored as not a digit.")).to_be_visible()
    assert (stored(url)[0].is_labelled, stored(url)[0].true_label) == (True, None)


def test_why_a_file_is_refused_can_be_read_without_a_mouse(visit, shared_app):
    visitor = on_a_phone(visit, shared_app[0])
    visitor.choose("Upload")

    visitor.page.locator('input[type="file"]').set_input_files(as_file("photo.heic", b"a photo"))

    reason = visitor.page.get_by_text("files are not allowed")
    expect(reason).to_be_visible()
    box = reason.bounding_box()
    assert box is not None
    assert (box["width"] > 150, box["height"] > 10) == (True, True)


@pytest.mark.parametrize(("name", "format", "paper", "ink"), [
    ("seven.png", "PNG", 235, 30),
    ("seven.jpg", "JPEG", 235, 30),
    ("seven.webp", "WEBP", 20, 240),
])  # fmt: skip
def test_an_uploaded_picture_is_read_dark_on_light_and_light_on_dark(visitor, name, format, paper, ink):
    buffer = io.BytesIO()
    Image.fromarray(picture_of_a_seven(paper=paper, ink=ink)).save(buffer, format=format)
    visitor.choose("Upload")

    visitor.page.locator('input[type="file"]').set_input_files(as_file(name, buffer.getvalue()))

    expect(visitor.answer).to_have_text("7")
    visitor.button("Yes, it’s a 7").click()
    expect(visitor.page.get_by_text("Thank you! Stored as 7.")).to_be_visible()
    expect(visitor.page.locator('input[type="file"]')).to_have_count(1)


def damaged_png() -> bytes:
    return encode_png(picture_of_a_seven())[:300]


def too_many_pixels() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(("data", "message"), [
    (b"this is a letter, not a picture", "not a PNG, JPEG or WebP picture"),
    (damaged_png(), "damaged or incomplete"),
    (too_many_pixels(), "pixels"),
    (encode_png(np.full((100, 100), 255, np.uint8)), "picture is empty"),
    (encode_png(np.zeros((100, 100, 4), np.uint8)), "transparent"),
])  # fmt: skip
def test_a_bad_file_is_told_and_nothing_is_stored(visit, shared_app, data, message):
    address, url = shared_app
    before = how_many(url)
    visitor = visit(address)
    visitor.choose("Upload")

    visitor.page.locator('input[type="file"]').set_input_files(as_file("bad.png", data))

    expect(visitor.page.get_by_test_id("stAlert")).to_contain_text(message)
    expect(visitor.answer).to_have_count(0)
    assert how_many(url) == before


def test_a_photo_from_the_camera_is_read(visitor):
    visitor.choose("Camera")
    visitor.page.wait_for_function("document.querySelector('video')?.readyState >= 2")

    visitor.page.get_by_role("button", name="Take Photo").click()

    expect(visitor.answer).to_have_text("7")


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


def contrast(ink: str, paper: str) -> float:
    """Ratio of the luminances of two CSS colours, 1–21 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""

    def luminance(colour: str) -> float:
        channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
        linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
        return sum(share * each for share, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    darker, lighter = sorted((luminance(ink), luminance(paper)))
    return (lighter + 0.05) / (darker + 0.05)


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


def test_without_its_database_the_page_answers_and_keeps_the_correction(visit, postgres_url, tmp_path):
    admin = create_engine(postgres_url.set(database="postgres"), isolation_level="AUTOCOMMIT")

    def let_in(allowed: bool) -> None:
        with admin.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {postgres_url.database} ALLOW_CONNECTIONS {allowed}"))
            if not allowed:
                connection.execute(
                    text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
                    {"name": postgres_url.database},
                )

    with running_app(postgres_url, tmp_path / "log") as address:
        visitor = visit(address)
        let_in(False)
        visitor.draw(SEVEN)
        visitor.settle()

        expect(visitor.answer).to_have_text("7")
        expect(visitor.page.get_by_text("not stored", exact=False).first).to_be_visible()
        visitor.labels.filter(has_text="1").click()
        expect(visitor.page.get_by_text("it waits here", exact=False)).to_be_visible()
        visitor.button("Clear").click()
        visitor.wait_until_empty()
        expect(visitor.page.get_by_text("it waits here", exact=False)).to_be_visible()
        visitor.draw(ONE)
        visitor.settle()
        visitor.labels.filter(has_text="4").click()
        expect(visitor.page.get_by_text("“1”, “4”", exact=False)).to_be_visible()

        let_in(True)
        visitor.button("Send again").click()

        expect(visitor.page.get_by_text("Thank you! Stored as 1, 4.")).to_be_visible()
        visitor.draw(ONE)
        visitor.settle()
        expect(visitor.answer).to_have_text("1")
        expect(visitor.page.get_by_text("not stored", exact=False)).to_have_count(0)
        rows = stored(postgres_url)
    admin.dispose()

    assert [(row.predicted_digit, row.true_label) for row in rows] == [(1, None), (1, 4), (7, 1)]
    assert "password" not in Path(tmp_path / "log").read_text().lower()


def side_by_side(digits: str) -> list[list[tuple[float, float]]]:
    """Digits next to each other, each in a third of the height."""
    step = 100 / len(digits)
    return [
        [(place * step + x * step / 100, 30 + y * 0.42) for x, y in stroke]
        for place, digit in enumerate(digits)
        for stroke in DIGITS[int(digit)][0]
    ]


def test_several_digits_side_by_side_are_read_as_a_number_and_corrected_as_one(visit, shared_app):
    address, url = shared_app
    visitor = visit(address)
    visitor.draw(side_by_side("207"), size=290, at=(5, 5))
    visitor.settle()

    expect(visitor.answer).to_have_text("207")
    visitor.page.get_by_label("Or is it a number of several digits?").fill("20x")
    visitor.button("Store it").click()
    expect(visitor.page.get_by_text("digits only", exact=False)).to_be_visible()
    visitor.page.get_by_label("Or is it a number of several digits?").fill("201")
    visitor.button("Store it").click()

    expect(visitor.page.get_by_text("Thank you! Stored as 201.")).to_be_visible()
    newest = stored(url)[0]
    assert (newest.predicted_number, newest.predicted_digit, newest.true_number) == ("207", None, "201")


def on_a_phone(visit, address, **options):
    return visit(address, width=390, height=844, is_mobile=True, has_touch=True, **options)


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


@pytest.mark.parametrize("pause", [0, 5, 150, 400])
def test_a_double_tap_on_a_label_says_it_once_and_opens_nothing(visit, shared_app, pause):
    address, url = shared_app
    visitor = on_a_phone(visit, address)
    for label in ("3", "7"):  # the second time there is a list below to be hit
        visitor.draw_with_finger(SEVEN)
        visitor.settle()
        box = visitor.labels.filter(has_text=label).bounding_box()
        assert box is not None
        place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for _ in range(2):
            visitor.page.touchscreen.tap(*place)
            visitor.page.wait_for_timeout(pause)

        expect(visitor.page.get_by_text(f"Thank you! Stored as {label}.")).to_be_visible()
        expect(visitor.page).to_have_url(re.compile(r"/$"))
        assert str(stored(url)[0].true_label) == label


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


def test_the_answer_to_a_photo_is_on_a_phones_screen(visit, shared_app):
    visitor = on_a_phone(visit, shared_app[0])
    visitor.choose("Upload")
    photo = cv2.resize(picture_of_a_seven(), (900, 1200))
    visitor.page.locator("input[type=file]").set_input_files(as_file("seven.png", encode_png(photo)))
    expect(visitor.answer).to_have_text("7")
    visitor.settle()

    box = visitor.button("Yes, it’s a 7").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 844


def test_every_page_has_its_title(visitor):
    expect(visitor.page).to_have_title("Draw a digit")
    for name in ("History", "Insight", "Model"):
        visitor.page.get_by_role("link", name=name).click()
        expect(visitor.page).to_have_title(f"{name} · Draw a digit")
    visitor.page.get_by_role("link", name="Draw").click()
    expect(visitor.page).to_have_title("Draw a digit")


def test_thanks_do_not_outlive_what_they_are_for(visitor):
    visitor.draw(SEVEN)
    visitor.settle()
    visitor.labels.filter(has_text="7").click()
    expect(visitor.page.get_by_text("Thank you! Stored as 7.")).to_be_visible()

    visitor.page.get_by_role("link", name="History").click()
    visitor.page.get_by_text("Delete my drawings").click()
    visitor.page.get_by_text("Yes, delete them all").click()
    expect(visitor.page.get_by_text("One drawing is deleted.")).to_be_visible()
    visitor.page.get_by_role("link", name="Draw").click()
    visitor.canvas.wait_for()

    expect(visitor.page.get_by_text("Draw a digit from 0 to 9", exact=False)).to_be_visible()
    expect(visitor.page.get_by_text("Thank you!", exact=False)).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ink", [0, 255])
def test_ink_on_a_transparent_picture_can_be_seen(visit, shared_app, ink, scheme):
    visitor = visit(shared_app[0], color_scheme=scheme)
    picture = np.zeros((300, 300, 4), np.uint8)
    cv2.polylines(picture, [np.array([[75, 60], [225, 60], [133, 240]])], False, (ink, ink, ink, 255), 22, cv2.LINE_AA)
    visitor.choose("Upload")
    visitor.page.locator("input[type=file]").set_input_files(as_file("seven.png", encode_png(picture)))
    expect(visitor.answer).to_have_text("7")
    visitor.settle()
    visitor.page.reload()

    shown = visitor.page.locator(".latest img").first
    paper = shown.evaluate("element => getComputedStyle(element).backgroundColor")
    assert contrast(f"rgb({ink}, {ink}, {ink})", paper) >= 3  # WCAG 2.2, 1.4.11
