"""A visitor's own drawings, and who may see and change them."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from mnist.store.drawings import Repository
from mnist.store.engine import connect
from tests.support.rows import how_many
from tests.support.strokes import DIGITS

ONE, SEVEN = DIGITS[1][0], DIGITS[7][0]


@pytest.fixture
def drawn(visit, shared_app):
    """A visitor who drew a seven and a one and called the one a seven; with the history open."""
    visitor = visit(shared_app[0])
    for strokes in (SEVEN, ONE):
        visitor.draw(strokes)
        visitor.settle()
        visitor.labels.filter(has_text="7").click()
        visitor.wait_until_empty()
    visitor.page.goto(f"{shared_app[0]}/history")
    expect(visitor.page.locator(".latest figure")).to_have_count(2)
    return visitor


def test_the_history_can_be_filtered(drawn):
    drawn.page.get_by_role("radio", name="Wrong").click()

    expect(drawn.page.locator(".latest figure")).to_have_count(1)
    expect(drawn.page.locator(".latest")).to_contain_text("read as 1")
    expect(drawn.page.locator(".latest .wrong")).to_have_text(re.compile("it is 7"))


@pytest.mark.parametrize("way_back", ["All drawings", "the browser's"])
def test_the_filter_is_still_there_when_one_comes_back_from_a_drawing(drawn, way_back):
    drawn.page.get_by_role("radio", name="Wrong").click()
    expect(drawn.page.locator(".latest figure")).to_have_count(1)
    drawn.page.locator(".latest a").click()
    expect(drawn.answer).to_have_text("1")

    if way_back == "All drawings":
        drawn.page.get_by_text("All drawings").click()
    else:
        drawn.page.go_back()

    expect(drawn.page.locator(".latest figure")).to_have_count(1)
    expect(drawn.page.get_by_role("radio", name="Wrong")).to_be_checked()


@pytest.mark.parametrize("way_back", ["All drawings", "the browser's"])
def test_the_page_of_the_history_is_still_there_when_one_comes_back_from_a_drawing(drawn, shared_app, way_back):
    engine = connect(shared_app[1])
    repository = Repository(engine)
    mine = repository.recent(limit=1)[0]
    repository.add_all(
        [replace(mine, id=uuid.uuid4(), created_at=mine.created_at - timedelta(days=1 + day)) for day in range(31)]
    )
    engine.dispose()
    drawn.page.reload()
    expect(drawn.page.locator(".latest figure")).to_have_count(24)
    drawn.button("Older").click()
    expect(drawn.page.locator(".latest figure")).to_have_count(9)
    drawn.page.wait_for_function("document.querySelector('[data-testid=stMain]').scrollTop === 0")

    drawn.page.locator(".latest figure").first.click()
    expect(drawn.page.get_by_text("All drawings")).to_be_visible()
    if way_back == "All drawings":
        drawn.page.get_by_text("All drawings").click()
    else:
        drawn.page.go_back()

    expect(drawn.page.locator(".latest figure")).to_have_count(9)
    drawn.button("Newer").click()
    expect(drawn.page.locator(".latest figure")).to_have_count(24)


def test_a_shared_link_shows_the_drawing_and_lets_only_its_maker_change_it(drawn, visit, shared_app):
    drawn.page.locator(".latest a").first.click()
    expect(drawn.answer).to_have_text("1")
    expect(drawn.labels).to_have_count(11)
    drawn.labels.filter(has_text="1").click()
    expect(drawn.page.locator(".answer small.right")).to_have_text(re.compile("it is 1"))
    expect(drawn.page.locator(".answer small.right")).to_have_css("opacity", "1")  # unlike the small print beside it

    stranger = visit(shared_app[0])
    stranger.page.goto(drawn.page.url)

    expect(stranger.answer).to_have_text("1")
    expect(stranger.labels).to_have_count(0)
    expect(stranger.page.get_by_text("Delete this drawing")).to_have_count(0)
    expect(stranger.page.get_by_role("heading", name="A drawing that somebody shared")).to_be_visible()
    stranger.page.get_by_role("link", name="Draw your own").click()
    expect(stranger.page).to_have_url(f"{shared_app[0]}/")
    stranger.canvas.wait_for()


def test_a_deleted_drawing_is_told_on_the_list_to_which_it_leads_back(drawn):
    drawn.page.locator(".latest a").first.click()
    drawn.page.get_by_text("Delete this drawing").click()
    drawn.button("Yes, delete it").click()

    expect(drawn.page.get_by_text("The drawing is deleted.")).to_be_visible()
    expect(drawn.page.locator(".latest figure")).to_have_count(1)


def test_my_drawings_are_deleted_for_good_and_nobody_elses(drawn, visit, shared_app):
    address, url = shared_app
    before = how_many(url)
    stranger = visit(address)
    stranger.draw(ONE)
    stranger.settle()
    expect(stranger.answer).to_have_text("1")

    drawn.page.get_by_text("Delete my drawings").click()
    drawn.button("Yes, delete them all").click()

    expect(drawn.page.get_by_text("2 drawings are deleted.")).to_be_visible()
    expect(drawn.page.get_by_text("Nothing yet.")).to_be_visible()
    assert how_many(url) == before - 2 + 1


def test_who_comes_back_from_the_history_finds_an_empty_canvas(visit, shared_app):
    visitor = visit(shared_app[0])
    visitor.draw(SEVEN)
    visitor.settle()
    expect(visitor.answer).to_have_text("7")

    visitor.page.get_by_role("link", name="History").click()
    expect(visitor.page.locator(".latest figure")).to_have_count(1)
    visitor.page.get_by_role("link", name="Draw").click()

    visitor.canvas.wait_for()
    visitor.wait_until_empty()
    visitor.draw(ONE)
    visitor.settle()
    expect(visitor.answer).to_have_text("1")


def test_a_link_to_nothing_says_so(visit, shared_app):
    visitor = visit(shared_app[0])

    visitor.page.goto(f"{shared_app[0]}/history?drawing=nonsense")

    expect(visitor.page.get_by_test_id("stAlert")).to_contain_text("no such drawing")


def test_who_keeps_drawings_out_gets_answers_and_leaves_nothing(visit, shared_app):
    address, url = shared_app
    visitor = visit(address)
    before = how_many(url)
    visitor.page.get_by_text("Keep my drawings, to improve the program").click()
    expect(visitor.keeping).not_to_be_checked()
    visitor.page.wait_for_timeout(2000)  # the canvas is made anew

    visitor.draw(SEVEN)
    visitor.settle()

    expect(visitor.answer).to_have_text("7")
    expect(visitor.page.get_by_text("Your drawings are not kept")).to_be_visible()
    expect(visitor.labels).to_have_count(0)
    assert how_many(url) == before

    visitor.page.reload()
    expect(visitor.keeping).not_to_be_checked()
    visitor.canvas.wait_for()
    visitor.draw(SEVEN)
    visitor.settle()

    expect(visitor.answer).to_have_text("7")
    assert how_many(url) == before

    visitor.page.goto(f"{address}/history?drawing=nonsense")  # as every link in the list does, in a visit of its own
    visitor.page.get_by_role("link", name="Draw").click()
    visitor.canvas.wait_for()
    expect(visitor.keeping).not_to_be_checked()
    visitor.draw(SEVEN)
    visitor.settle()
    assert how_many(url) == before

    visitor.page.get_by_text("Keep my drawings, to improve the program").click()
    expect(visitor.keeping).to_be_checked()
    visitor.page.wait_for_timeout(2000)
    visitor.draw(SEVEN)
    visitor.settle()
    expect(visitor.labels.first).to_be_visible()
    assert how_many(url) == before + 1
