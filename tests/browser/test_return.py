"""Coming back to a page whose server has forgotten it: after a restart, or minutes of sleep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import URL

from tests.support.rows import how_many
from tests.support.server import free_port, running_app
from tests.support.strokes import DIGITS
from tests.support.visitor import Visitor

SEVEN = DIGITS[7][0]


@pytest.fixture
def restart(visit, tmp_path: Path):
    """Opens the page, does something there, and goes on when its server has been replaced."""

    def restart(before: Callable[[Visitor], None], after: Callable[[Visitor], None]) -> URL:
        url, port = URL.create("sqlite", database=str(tmp_path / "mnist.db")), free_port()
        with running_app(url, tmp_path / "log", port) as address:
            visitor = visit(address)
            visitor.settle()
            before(visitor)
        with running_app(url, tmp_path / "log", port):
            expect(visitor.page.get_by_test_id("stConnectionStatus")).to_have_count(0, timeout=60_000)
            visitor.settle()
            after(visitor)
        return url

    return restart


def test_a_page_on_which_nothing_was_done_answers_when_its_server_is_another_one(restart):
    def after(visitor: Visitor) -> None:
        visitor.draw(SEVEN)
        expect(visitor.answer).to_have_text("7")

    restart(lambda visitor: None, after)


def test_what_is_on_the_canvas_stays_when_its_server_is_another_one(restart):
    def before(visitor: Visitor) -> None:
        visitor.draw(SEVEN)
        expect(visitor.answer).to_have_text("7")
        visitor.button("Clear").click()
        visitor.wait_until_empty()
        visitor.draw(SEVEN)
        expect(visitor.answer).to_have_text("7")

    def after(visitor: Visitor) -> None:
        expect(visitor.answer).to_have_text("7")
        visitor.page.wait_for_timeout(2000)
        expect(visitor.answer).to_have_text("7")
        inked = (
            "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v, i) => i % 4 == 0 && v > 200)"
        )
        assert visitor.page.locator("canvas.dc-canvas.lower-canvas").evaluate(inked)
        visitor.button("Undo").click()
        visitor.wait_until_empty()

    assert how_many(restart(before, after)) == 2  # the first one was cleared


def test_a_canvas_that_was_left_for_another_page_stays_too(restart):
    def before(visitor: Visitor) -> None:
        visitor.draw(SEVEN)
        expect(visitor.answer).to_have_text("7")
        visitor.page.get_by_role("link", name="History").click()
        visitor.page.get_by_role("link", name="Draw").click()
        visitor.wait_until_empty()
        visitor.settle()
        visitor.draw(DIGITS[1][0])
        expect(visitor.answer).to_have_text("1")

    def after(visitor: Visitor) -> None:
        expect(visitor.answer).to_have_text("1")
        visitor.draw(SEVEN[:1], size=60, at=(220, 220))
        visitor.settle()
        visitor.button("Undo").click()
        expect(visitor.answer).to_have_text("1")

    assert how_many(restart(before, after)) == 2


def test_the_switch_holds_when_its_server_is_another_one(restart):
    def before(visitor: Visitor) -> None:
        visitor.page.get_by_text("Keep my drawings, to improve the program").click()
        expect(visitor.keeping).not_to_be_checked()
        visitor.page.wait_for_timeout(2000)
        visitor.draw(SEVEN)
        visitor.settle()
        expect(visitor.answer).to_have_text("7")

    def after(visitor: Visitor) -> None:
        visitor.draw(SEVEN, size=120)
        visitor.settle()
        visitor.page.wait_for_timeout(3000)
        expect(visitor.keeping).not_to_be_checked()

    assert how_many(restart(before, after)) == 0
