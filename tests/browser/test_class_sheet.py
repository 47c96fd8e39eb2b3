"""A class sheet in a real browser: printed, photographed, looked at, stored."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from sqlalchemy import URL

from mnist.vision.image_files import encode_png
from tests.support.class_sheet import filled, photo
from tests.support.rows import stored
from tests.support.server import running_app
from tests.support.visitor import as_file, on_a_phone


@pytest.fixture
def sheet() -> bytes:
    return encode_png(photo(filled(empty={(5, 0), (5, 1)})))


def test_a_photo_of_a_class_sheet_becomes_a_label_for_each_box_but_those_left_out(visit, tmp_path, sheet):
    url = URL.create("sqlite", database=str(tmp_path / "mnist.db"))
    with running_app(url, tmp_path / "log") as address:
        visitor = on_a_phone(visit, address)
        visitor.choose("Upload")
        page = visitor.page
        page.get_by_text("Many at once").click()
        with page.expect_download() as download:
            visitor.page.get_by_role("button", name="The sheet to print").click()
        assert download.value.suggested_filename == "class-sheet.pdf"
        assert download.value.path().read_bytes().startswith(b"%PDF")

        page.locator('input[type="file"]').set_input_files(as_file("IMG_1.png", sheet))

        expect(page.get_by_text("A class sheet with 98 digits")).to_be_visible()
        expect(page.locator(".class-sheet img")).to_have_count(98)
        assert stored(url) == []
        doubted = page.locator(".class-sheet img.wrong").count()
        pills = page.locator(".stButtonGroup button").filter(has_text="read as")
        expect(pills).to_have_count(doubted)
        if doubted:
            pills.first.click()
        left = 98 - min(doubted, 1)
        visitor.button(f"Store {left} digits").click()

        expect(page.get_by_text(f"Thank you! {left} digits of the sheet stored.")).to_be_visible()
        rows = stored(url)
        assert len(rows) == left
        assert {row.true_label for row in rows} == set(range(10))
        assert sum(row.true_label == row.predicted_digit for row in rows) == 98 - doubted
        assert doubted <= 10  # of digits that are drawn clearly


def test_a_sheet_with_covered_corners_is_told_how_to_come_again(visitor):
    page = filled()
    page[:, :700] = 230
    visitor.choose("Upload")

    visitor.page.locator('input[type="file"]').set_input_files(as_file("sheet.png", encode_png(page)))

    expect(visitor.page.get_by_text("only 2 of its four corner marks")).to_be_visible()
