"""Pictures from files and from the camera, in a real browser."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from mnist.vision import picture_formats
from mnist.vision.image_files import encode_png
from tests.support.rows import how_many
from tests.support.strokes import DIGITS
from tests.support.visitor import as_file, contrast, on_a_phone

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"  # how a photo of an iPhone begins


def picture_of_a_seven(*, paper: int = 235, ink: int = 30) -> np.ndarray:
    picture = np.full((400, 360), paper, np.uint8)
    cv2.polylines(picture, [np.array([[90, 80], [270, 80], [160, 330]])], False, ink, 24, cv2.LINE_AA)
    return picture


def test_why_a_file_is_refused_can_be_read_without_a_mouse(visit, shared_app):
    visitor = on_a_phone(visit, shared_app[0])
    visitor.choose("Upload")

    visitor.page.locator('input[type="file"]').set_input_files(as_file("photo.heic", HEIC))

    reason = visitor.page.get_by_text("This is a HEIC photo")
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
    (b"this is a letter, not a picture", f"not a {picture_formats.names()} picture"),
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


def test_the_answer_to_a_photo_and_its_keys_are_on_a_phones_screen(visit, shared_app):
    visitor = visit(shared_app[0], width=390, height=664, is_mobile=True, has_touch=True)
    visitor.choose("Upload")
    photo = cv2.resize(picture_of_a_seven(), (900, 1200))
    visitor.page.locator("input[type=file]").set_input_files(as_file("seven.png", encode_png(photo)))
    expect(visitor.answer).to_have_text("7")
    expect(visitor.labels).to_have_count(11)
    visitor.settle()

    for part in (visitor.answer, visitor.button("Yes, it’s a 7"), *visitor.labels.all()):
        box = part.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 664


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


def test_what_was_read_of_a_number_has_a_box_each_on_the_page_and_in_the_history(visit, shared_app):
    visitor = visit(shared_app[0])
    paper = np.full((240, 640), 235, np.uint8)
    for place, digit in enumerate("207"):
        height = 90 if digit == "0" else 180  # a small 0 was left out, and a sure 27 read
        for stroke in DIGITS[int(digit)][0]:
            points = [(60 + 190 * place + x * height / 100, 210 - height + y * height / 100) for x, y in stroke]
            cv2.polylines(paper, [np.array(points, np.int32)], False, 30, 13, cv2.LINE_AA)

    visitor.choose("Upload")
    visitor.page.locator("input[type=file]").set_input_files(as_file("number.png", encode_png(paper)))

    names = visitor.page.locator(".boxed b")
    expect(names).to_have_text(["2", "0", "7"])
    boxes = [box.bounding_box() for box in visitor.page.locator(".boxed i").all()]
    assert [box["x"] for box in boxes] == sorted(box["x"] for box in boxes)
    assert boxes[1]["height"] < 0.7 * boxes[0]["height"]

    visitor.page.goto(f"{shared_app[0]}/history")
    visitor.page.locator(".latest a").first.click()
    expect(names).to_have_text(["2", "0", "7"])
