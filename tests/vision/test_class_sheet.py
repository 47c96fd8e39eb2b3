"""The class sheet: what is printed is found again on a photo, each digit with its row's label."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mnist.vision.class_sheet import MARK, MARKS_AT, PRINTED, TooFewMarks, as_pdf, printed_page, read_sheet
from mnist.vision.image_files import decode
from tests.support.class_sheet import filled, photo
from tests.support.pictures import seven

EMPTY = {(3, 3), (9, 9)}


def covered(page: np.ndarray, *marks: int) -> np.ndarray:
    page = page.copy()
    for mark in marks:
        x, y = (each * PRINTED for each in MARKS_AT[mark])
        page[y : y + MARK * PRINTED, x : x + MARK * PRINTED] = 200
    return page


@pytest.fixture(scope="module")
def taken() -> np.ndarray:
    return photo(filled(empty=EMPTY))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_every_filled_box_is_found_at_an_angle_in_half_shadow_and_turned(taken, turns):
    cells = read_sheet(np.rot90(taken, turns).copy())

    assert {(cell.label, cell.column) for cell in cells} == {(r, c) for r in range(10) for c in range(10)} - EMPTY
    assert all(cell.picture[0].min() == 255 and cell.picture.min() < 40 for cell in cells)


def test_a_stroke_that_leaves_its_box_stays_whole_and_goes_to_no_neighbour():
    cells = read_sheet(filled(drop=5))
    inside = read_sheet(filled())

    assert len(cells) == len(inside) == 100
    for low, usual in zip(cells, inside, strict=True):
        assert low.label == usual.label
        assert abs(low.picture.shape[0] - usual.picture.shape[0]) <= 2, (low.label, low.column)


def test_digits_that_touch_each_keep_what_lies_in_their_own_box():
    page = filled(empty={(r, c) for r in range(10) for c in range(10)} - {(4, 2), (4, 3)})
    y, x = round((34 + 4.5 * 22.5) * PRINTED), round((31 + 2.5 * 16.5) * PRINTED)
    cv2.line(page, (x, y), (x + round(16.5 * PRINTED), y), 40, 8)

    assert [(cell.label, cell.column) for cell in read_sheet(page)] == [(4, 2), (4, 3)]


def test_a_thumb_may_lie_on_one_mark_but_not_on_two():
    page = filled()

    assert len(read_sheet(photo(covered(page, 2)))) == 100
    with pytest.raises(TooFewMarks, match=r"only 2 of its four corner marks.*whole page"):
        read_sheet(covered(page, 1, 2))


def test_an_empty_sheet_has_no_digits_and_another_picture_is_no_sheet():
    assert read_sheet(photo(printed_page())) == []
    assert read_sheet(decode(seven())) is None
    assert read_sheet(np.full((40, 30, 4), 255, np.uint8)) is None


def test_the_sheet_is_a_pdf_of_one_page_of_a4():
    pdf = as_pdf()

    assert pdf.startswith(b"%PDF-")
    assert pdf.count(b"/Type /Page\n") == 1
    assert b"595.27" in pdf  # points, 210 mm
    assert b"841.88" in pdf
