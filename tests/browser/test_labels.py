"""Saying what a drawing is: confirming, correcting, numbers, and what happens while the database is away."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from sqlalchemy import create_engine, text

from tests.support.rows import stored
from tests.support.server import running_app
from tests.support.strokes import DIGITS, ONE, SEVEN, STAR
from tests.support.visitor import on_a_phone


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


def test_the_next_one_is_read_as_its_writer_writes_it_and_nobody_elses(visit, database_url, tmp_path):
    with running_app(database_url, tmp_path / "log") as address:
        visitor, somebody_else = visit(address), visit(address)
        visitor.draw(SEVEN)
        visitor.settle()
        visitor.labels.filter(has_text="1").click()
        visitor.wait_until_empty()

        visitor.draw(SEVEN, size=180, at=(60, 60))
        visitor.settle()
        expect(visitor.answer).to_have_text("1")
        expect(visitor.page.get_by_text("Read as you write it.")).to_be_visible()
        somebody_else.draw(SEVEN)
        somebody_else.settle()
        expect(somebody_else.answer).to_have_text("7")
        expect(somebody_else.page.get_by_text("Read as you write it.")).to_have_count(0)


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


def test_the_labels_stay_where_they_are_while_the_answer_changes(visit, shared_app):
    visitor = on_a_phone(visit, shared_app[0])
    places = []
    for drawing in (STAR, SEVEN):
        visitor.draw(drawing)
        visitor.settle()
        places.append([visitor.labels.nth(digit).bounding_box() for digit in range(10)])
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


@pytest.mark.parametrize("pause", [0, 5, 150, 400])
def test_a_double_tap_on_a_label_says_it_once_and_opens_nothing(visit, shared_app, pause):
    address, url = shared_app
    visitor = on_a_phone(visit, address)
    for label in ("3", "7"):  # the second time there is a list below to be hit
        visitor.draw_with_finger(SEVEN)
        expect(visitor.answer).to_be_visible()
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
