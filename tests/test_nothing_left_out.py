"""Nothing that somebody wrote is left out in silence: pictures as people send them, read as the page and the API do."""

from __future__ import annotations

import csv
import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mnist.drawing import Verdict
from mnist.model.classifier import Classifier
from mnist.model.numbers import Reading, read
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.vision.image_files import decode, encode_png
from mnist.vision.leftovers import Reason
from mnist.vision.prepare import frame

# Strokes in a box 60 wide and 100 high: (x, y) corners.
SHAPES = {
    "0": [[(30, 0), (8, 15), (0, 50), (8, 85), (30, 100), (52, 85), (60, 50), (52, 15), (30, 0)]],
    "1": [[(30, 0), (30, 100)]],
    "2": [[(3, 22), (12, 4), (30, 0), (50, 8), (54, 28), (40, 55), (2, 98), (60, 98)]],
    "3": [[(4, 10), (28, 0), (52, 14), (48, 38), (24, 47), (52, 58), (56, 82), (30, 100), (2, 90)]],
    "4": [[(40, 0), (2, 62), (60, 62)], [(44, 35), (44, 100)]],
    "5": [[(54, 2), (12, 2), (8, 45), (38, 42), (56, 66), (42, 96), (4, 92)]],
    "7": [[(2, 2), (58, 2), (22, 100)]],
    "8": [[(30, 46), (8, 34), (8, 10), (30, 0), (50, 8), (52, 32), (8, 66), (8, 92), (30, 100), (52, 90), (30, 46)]],
}  # fmt: skip


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(SHIPPED_WEIGHTS, version=1)


def write(page: np.ndarray, digit: str, left: int, top: int, height: int = 100, brush: int = 9) -> None:
    """Draw a digit in white on (H, W) uint8."""
    for stroke in SHAPES[digit]:
        points = np.rint((np.array(stroke) * height / 100 + (left, top)) * 16).astype(np.int32)
        cv2.polylines(page, [points], False, 255, brush, cv2.LINE_AA, 4)


def line(digits: str, gap: int = 40, height: int = 100, brush: int = 9) -> np.ndarray:
    page = np.zeros((height + 100, 100 + len(digits) * (height * 6 // 10 + gap)), np.uint8)
    for place, digit in enumerate(digits):
        write(page, digit, 50 + place * (height * 6 // 10 + gap), 50, height, brush)
    return page


def photograph(ink: np.ndarray, paper: float = 225, pen: float = 50, noise: float = 3, seed: int = 1) -> np.ndarray:
    """(H, W, 3) uint8: dark ink on paper, with light that falls off and a noisy camera."""
    rng = np.random.default_rng(seed)
    light = 1 - 0.25 * np.linspace(0, 1, ink.shape[1])[None] * np.ones((ink.shape[0], 1))
    levels = (paper + (pen - paper) * cv2.GaussianBlur(ink, (0, 0), 1).astype(float) / 255) * light
    return np.dstack([np.clip(levels + rng.normal(0, noise, ink.shape), 0, 255).astype(np.uint8)] * 3)


@pytest.fixture(scope="module")
def recognise(classifier):
    def recognise(picture: np.ndarray | bytes) -> Reading:
        framed = frame(decode(picture if isinstance(picture, bytes) else encode_png(picture)))
        return read(framed, classifier.predict(framed.frames))

    return recognise


def said(reading: Reading) -> tuple[str, Verdict]:
    return reading.number or str(reading.prediction.digit), reading.prediction.verdict


def reasons(reading: Reading) -> set[Reason]:
    return {each.reason for each in reading.left_over}


# Numbers


@pytest.mark.parametrize("height", [35, 40, 48])
def test_a_small_digit_between_large_ones_is_read_or_asked_about(recognise, height):
    page = line("27", gap=100)
    write(page, "0", 135, 150 - height, height)

    number, verdict = said(recognise(page))

    assert number == "207"
    assert verdict in (Verdict.NUMBER, Verdict.UNSURE)


def test_a_small_last_digit_is_not_dropped(recognise):
    page = np.pad(line("2"), [(0, 0), (0, 60)])
    write(page, "4", 130, 105, 45)

    number, verdict = said(recognise(page))

    assert number == "24" or verdict == Verdict.UNSURE


def test_a_minus_is_named_and_the_answer_is_no_sure_5(recognise):
    page = np.pad(line("5"), [(0, 0), (60, 0)])
    cv2.line(page, (30, 100), (75, 100), 255, 9, cv2.LINE_AA)

    reading = recognise(page)

    assert said(reading) == ("5", Verdict.UNSURE)
    assert Reason.MINUS in reasons(reading)


def test_a_decimal_point_is_named_and_the_answer_is_no_sure_35(recognise):
    page = line("35", gap=60)
    cv2.circle(page, (140, 148), 6, 255, -1, cv2.LINE_AA)

    reading = recognise(page)

    assert said(reading) == ("35", Verdict.UNSURE)
    assert Reason.POINT in reasons(reading)


def test_a_point_before_three_digits_parts_thousands_and_a_dash_ends_the_amount(recognise):
    page = np.pad(line("3500", gap=45), [(0, 0), (0, 80)])
    cv2.circle(page, (134, 148), 6, 255, -1, cv2.LINE_AA)
    cv2.line(page, (480, 100), (520, 100), 255, 9, cv2.LINE_AA)

    reading = recognise(page)

    assert said(reading) == ("3500", Verdict.NUMBER)
    assert reasons(reading) == {Reason.GROUPING_POINT, Reason.CLOSING_DASH}


def test_two_level_strokes_end_an_amount(recognise):
    page = np.pad(line("3500", gap=45), [(0, 0), (0, 80)])
    for y in (88, 112):
        cv2.line(page, (490, y + 6), (530, y - 6), 255, 7, cv2.LINE_AA)

    reading = recognise(page)

    assert said(reading) == ("3500", Verdict.NUMBER)
    assert reasons(reading) == {Reason.CLOSING_DASH}


def test_a_point_at_half_height_parts_thousands_too(recognise):
    page = line("3500", gap=45)
    cv2.circle(page, (134, 105), 6, 255, -1, cv2.LINE_AA)

    reading = recognise(page)

    assert said(reading) == ("3500", Verdict.NUMBER)
    assert reasons(reading) == {Reason.GROUPING_POINT}


def strip(digits: str, rule: int, waves: float, period: float, pen: float, noise: float) -> np.ndarray:
    """An amount on a strip of printed paper 46 pixels high, whose digits end at 41, with a rule: (H, W, 3) uint8."""
    ink = line(digits, gap=32, height=100, brush=11)[25:-30]
    y, x = np.mgrid[: ink.shape[0], : ink.shape[1]]
    paper = 190 + waves * np.sin((y + 12 * np.sin(x / 40)) * 2 * np.pi / period) + 6 * np.sin(x / 3)
    page = paper * (1 - cv2.GaussianBlur(ink, (0, 0), 1.5) / 255 * pen)
    noisy = np.clip(page + np.random.default_rng(4).normal(0, noise, page.shape), 0, 255).astype(np.uint8)
    scale = 46 / len(ink)
    picture = np.dstack([cv2.resize(noisy, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)] * 3)
    cv2.line(picture, (0, rule), (picture.shape[1], rule), (90, 90, 90), 2)
    return picture


@pytest.mark.parametrize(("digits", "pen", "noise"), [("35128", 0.5, 5), ("35128", 0.45, 25)])
def test_a_rule_of_a_strip_that_the_digits_touch_is_no_part_of_them(recognise, digits, pen, noise):
    assert said(recognise(strip(digits, 42, 45, 9, pen, noise))) == (digits, Verdict.NUMBER)


@pytest.mark.parametrize("digits", ["35128", "4273"])
def test_a_rule_through_the_feet_of_a_strips_digits_makes_no_sure_7_of_a_2(recognise, digits):
    number, verdict = said(recognise(strip(digits, 38, 30, 20, 0.5, 5)))

    assert number == digits or verdict != Verdict.NUMBER


def test_a_high_first_digit_at_the_edge_of_a_strip_is_not_left_out(recognise):
    ink = np.zeros((110, 420), np.uint8)
    write(ink, "2", 1, 6, 100, 9)
    for place in range(3):
        write(ink, "0", 150 + 90 * place, 60, 40, 7)

    assert said(recognise(photograph(ink, noise=5)))[0] == "2000"


def test_an_underline_that_does_not_touch_changes_nothing(recognise):
    page = line("274")
    cv2.line(page, (30, 185), (330, 182), 255, 7, cv2.LINE_AA)

    reading = recognise(page)

    assert said(reading) == ("274", Verdict.NUMBER)
    assert Reason.UNDERLINE in reasons(reading)


def test_digits_that_touch_are_read_and_the_others_are_not_refused_with_them(recognise):
    page = line("35007", gap=40)
    cv2.line(page, (300, 52), (385, 52), 255, 8, cv2.LINE_AA)  # both 0s, joined at their tops

    number, verdict = said(recognise(page))

    assert number == "35007"
    assert verdict in (Verdict.NUMBER, Verdict.UNSURE)


def test_one_digit_in_two_pieces_is_no_number(recognise):
    page = line("0", brush=8)
    page[40:60], page[140:160] = 0, 0  # neither top nor bottom: two arcs
    broken = line("1", brush=8)
    broken[95:105] = 0

    assert said(recognise(page))[1] != Verdict.NUMBER
    assert said(recognise(broken)) == ("1", Verdict.DIGIT)


def test_twenty_digits_are_one_number(recognise):
    digits = "27430815243087152430"

    number, verdict = said(recognise(line(digits, height=60, gap=24, brush=6)))

    assert number == digits
    assert verdict in (Verdict.NUMBER, Verdict.UNSURE)


def test_each_digit_has_its_box(recognise):
    page = line("274")

    boxes = recognise(page).boxes

    assert len(boxes) == 3
    for place, (left, top, width, height) in enumerate(boxes):
        assert left * page.shape[1] == pytest.approx(50 + 100 * place - 4, abs=12)
        assert top * page.shape[0] == pytest.approx(46, abs=4)
        assert width * page.shape[1] < 80
        assert height * page.shape[0] == pytest.approx(108, abs=5)


# Photos


@pytest.mark.parametrize("digits", ["274", "313", "120"])
@pytest.mark.parametrize("gap", [50, 90, 140])
def test_spaced_digits_on_paper_are_one_number(recognise, digits, gap):
    picture = photograph(np.pad(line(digits, gap=gap), 60))

    number, verdict = said(recognise(picture))

    assert (number, verdict) == (digits, Verdict.NUMBER)


@pytest.mark.parametrize("digit", ["2", "3", "5", "7"])
def test_a_bold_digit_on_textured_card_cropped_tightly_is_no_blank(recognise, digit):
    page = np.zeros((330, 220), np.uint8)
    write(page, digit, 25, 18, 290, 34)
    rng = np.random.default_rng(5)
    texture = cv2.GaussianBlur(rng.normal(0, 1, page.shape), (0, 0), 1.6)
    card = 168 + texture / texture.std() * 15
    levels = card * (1 - page / 255) + 62 * (page / 255)
    picture = np.dstack([np.clip(levels, 0, 255).astype(np.uint8)] * 3)

    assert said(recognise(picture)) == (digit, Verdict.DIGIT)


@pytest.mark.parametrize("digit", ["1", "4", "7"])
def test_a_straight_stem_on_ruled_paper_is_no_rule(recognise, digit):
    page = np.zeros((480, 360), np.uint8)
    write(page, digit, 100, 60, 330, 5)
    rules = np.zeros_like(page)
    for y in range(30, 480, 45):
        cv2.line(rules, (0, y), (360, y + 3), 255, 1, cv2.LINE_AA)
    picture = photograph(page)
    picture = np.minimum(picture, 255 - (rules * 0.4).astype(np.uint8)[:, :, None])

    text, verdict = said(recognise(picture))

    assert text == digit
    assert verdict in (Verdict.DIGIT, Verdict.UNSURE)


def test_a_stem_as_high_as_the_picture_is_no_rule(recognise):
    page = np.zeros((300, 110), np.uint8)
    write(page, "1", 10, 9, 280, 6)

    assert said(recognise(photograph(page)))[0] == "1"


# Edges, boxes, paper


@pytest.mark.parametrize("digit", ["5", "7", "3"])
def test_crumbs_and_a_scanners_line_at_the_edge_are_named_and_left_out(recognise, digit):
    page = np.pad(line(digit), 40)
    page[:, -3:] = 255
    page[120:126, :4] = 255
    page[-3:, 30:40] = 255

    reading = recognise(255 - page)

    assert said(reading) == (digit, Verdict.DIGIT)
    assert Reason.EDGE in reasons(reading)


@pytest.mark.parametrize("digit", ["0", "1", "2", "4"])
@pytest.mark.parametrize("turned", [0, 4])
def test_a_printed_box_around_a_digit_is_a_box(recognise, digit, turned):
    page = np.pad(line(digit), 60)
    corners = np.array([(40, 45), (page.shape[1] - 40, 45), (page.shape[1] - 40, 275), (40, 275)], float)
    turn = cv2.getRotationMatrix2D((page.shape[1] / 2, 160), turned, 1)
    corners = corners @ turn[:, :2].T + turn[:, 2]
    cv2.polylines(page, [np.rint(corners).astype(np.int32)], True, 255, 2, cv2.LINE_AA)

    for picture in (255 - page, photograph(page)):
        reading = recognise(picture)
        assert said(reading) == (digit, Verdict.DIGIT)
        assert Reason.BOX in reasons(reading)


def test_a_row_of_boxes_holds_a_number(recognise):
    page = np.zeros((90, 80 * 6 + 20), np.uint8)
    cv2.rectangle(page, (8, 8), (8 + 80 * 6, 82), 255, 2)
    for place, digit in enumerate("2740"):
        write(page, digit, 30 + 80 * place, 24, 44, 5)
    for place in range(1, 6):
        cv2.line(page, (8 + 80 * place, 8), (8 + 80 * place, 82), 255, 2)

    assert said(recognise(255 - page)) == ("2740", Verdict.NUMBER)


def test_a_drawn_0_with_corners_is_no_box(recognise):
    page = np.zeros((280, 280), np.uint8)
    cv2.rectangle(page, (80, 40), (190, 240), 255, 12)

    assert Reason.BOX not in reasons(recognise(page))


def test_a_grey_patch_of_paper_on_a_white_page_is_paper(recognise):
    page = np.pad(line("4"), 60)
    picture = np.full(page.shape, 255, np.uint8)
    picture[50:-50, 60:-60] = 226
    picture = np.where(page > 0, picture * (1 - page / 255) + 40 * (page / 255), picture).astype(np.uint8)

    assert said(recognise(picture)) == ("4", Verdict.DIGIT)


def test_a_digit_on_the_squares_that_stand_for_transparency_is_read(recognise):
    page = np.pad(line("7"), 20)
    y, x = np.mgrid[: page.shape[0], : page.shape[1]]
    squares = np.where((x // 8 + y // 8) % 2, 255, 204)

    picture = (squares * (1 - page / 255)).astype(np.uint8)

    assert said(recognise(picture)) == ("7", Verdict.DIGIT)


def test_grey_on_flat_grey_is_ink_and_grey_in_noise_is_not(recognise):
    page = line("7")

    assert said(recognise((90 + page * 0.12).astype(np.uint8))) == ("7", Verdict.DIGIT)


def test_sixteen_bits_with_a_small_range_are_read(recognise):
    buffer = io.BytesIO()
    Image.fromarray(30_000 + line("7").astype(np.uint16) * 3).save(buffer, "PNG")

    assert said(recognise(buffer.getvalue())) == ("7", Verdict.DIGIT)


# Files


def saved(page: np.ndarray, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(page).convert("RGB").save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["BMP", "GIF", "AVIF"])
def test_other_formats_are_read(recognise, format):
    assert said(recognise(saved(255 - line("7"), format))) == ("7", Verdict.DIGIT)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_without_its_last_two_bytes_is_read(recognise, options):
    assert said(recognise(saved(255 - line("7"), "JPEG", quality=90, **options)[:-2])) == ("7", Verdict.DIGIT)


def test_a_png_with_a_wrong_checksum_in_a_text_is_read(recognise):
    data = encode_png(line("7"))
    text = struct.pack(">I", 7) + b"tEXt" + b"Title\0x" + struct.pack(">I", zlib.crc32(b"other"))

    assert said(recognise(data[:33] + text + data[33:])) == ("7", Verdict.DIGIT)


CASES = Path(os.environ["REAL_DIR"]) / "cases" if os.environ.get("REAL_DIR") else None


@pytest.mark.skipif(CASES is None, reason="REAL_DIR is not set")
def test_every_small_case_by_other_people_is_right(recognise):
    wrong = []
    with (CASES / "expected.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            text, verdict = said(recognise((CASES / row["file"]).read_bytes()))
            may_be_unsure = "unsure" in row["expected"]
            is_right = text == row["expected"].split()[0] and verdict in (Verdict.DIGIT, Verdict.NUMBER)
            if not is_right and not (may_be_unsure and verdict == Verdict.UNSURE):
                wrong.append((row["file"], text, verdict))
    assert wrong == []
