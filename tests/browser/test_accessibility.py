"""Every page as people with other eyes and hands meet it: axe-core's rules, narrow screens, no motion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect
from sqlalchemy import URL

from tests.support.server import running_app
from tests.support.strokes import SEVEN, STAR
from tests.support.visitor import Visitor

PASSWORD = "accessible"
# What Streamlit itself writes and this page's CSS can't mend: (rule, part of the element's HTML).
NOT_OURS = [
    ("presentation-role-conflict", 'data-testid="stFileUploaderDropzone"'),  # has a role, and can be focused by scripts
]
LOOKS = 5
STYLED = "[...document.querySelectorAll('style')].some(each => each.textContent.includes('.stMainBlockContainer'))"
VIOLATIONS = "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)"


@pytest.fixture(scope="module")
def governed(tmp_path_factory) -> Iterator[str]:
    """The address of a server with an administrator."""
    folder = tmp_path_factory.mktemp("accessible")
    url = URL.create("sqlite", database=str(folder / "mnist.db"))
    with running_app(url, folder / "log", ADMIN_PASSWORD=PASSWORD) as address:
        yield address


def walk(visitor: Visitor, address: str) -> Iterator[str]:
    """Open every page, signed out and signed in; yields the name of each when it is there."""
    page = visitor.page
    yield "draw"
    visitor.draw(SEVEN)
    visitor.settle()
    expect(visitor.answer).to_have_text("7")
    yield "answer"
    visitor.labels.filter(has_text="1").click()
    visitor.wait_until_empty()
    expect(page.locator(".latest figure")).to_have_count(1)
    yield "thanks"
    visitor.draw(STAR)
    visitor.settle()
    expect(visitor.labels.first).to_be_visible()
    yield "no digit"
    for way_in in ("Upload", "Camera"):
        visitor.choose(way_in)
        expect(page.locator(".answer.empty")).to_be_visible()
        yield way_in
    page.goto(f"{address}/history")
    expect(page.locator(".latest figure")).to_have_count(2)
    yield "history"
    page.locator(".latest a").last.click()
    expect(page.get_by_text("Delete this drawing")).to_be_visible()
    yield "drawing"
    for name, last in (("insight", "Most confident mistakes"), ("model", "Versions")):
        page.goto(f"{address}/{name}")
        expect(page.get_by_role("heading", name=last)).to_be_visible()
        yield name
    page.goto(f"{address}/administration")
    expect(page.get_by_label("Password").first).to_be_visible()
    yield "administration, signed out"
    page.get_by_label("Password").first.fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Labelled drawings")).to_be_visible()
    yield "administration"
    for name, heading in (("History", "Drawings"), ("Model", "Versions"), ("Insight", "Most confident mistakes")):
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=heading).last).to_be_visible()
        yield f"{name}, signed in"
    page.get_by_role("link", name="Draw").click()
    visitor.canvas.wait_for()
    yield "draw, signed in"


def violations(page: Page) -> list[str]:
    """What axe-core finds on the page, one line for each element.

    It looks again for a while: styles of a part that Streamlit loads late, or the page's own CSS, may come after it.
    """
    expect(page.locator('[data-test-script-state="running"]')).to_have_count(0)
    page.wait_for_function(STYLED)
    page.evaluate("document.fonts.ready")
    page.evaluate(AXE_SCRIPT)
    for _ in range(LOOKS):
        if not (found := _look(page)):
            break
        page.wait_for_timeout(1000)
    return found


def _look(page: Page) -> list[str]:
    found: list[dict[str, Any]] = page.evaluate(VIOLATIONS)
    return [
        f"{each['id']}: {node['html'][:160]} {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
        if not any(each["id"] == rule and part in node["html"] for rule, part in NOT_OURS)
    ]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_of_ours_on_any_page(visit: Callable[..., Visitor], governed, scheme):
    visitor = visit(governed, color_scheme=scheme, reduced_motion="reduce")

    found = {name: violations(visitor.page) for name in walk(visitor, governed)}

    assert {name: problems for name, problems in found.items() if problems} == {}
    assert len(found) > 14


@pytest.mark.timeout(900)
def test_every_page_fits_320_pixels(visit: Callable[..., Visitor], governed):
    visitor = visit(governed, width=320, height=700)
    wide = []
    for name in walk_narrow(visitor, governed):
        width = visitor.page.evaluate(
            "Math.max(document.documentElement.scrollWidth, document.querySelector('[data-testid=stMain]').scrollWidth)"
        )
        if width > 320:
            wide.append((name, width))

    assert wide == []


def walk_narrow(visitor: Visitor, address: str) -> Iterator[str]:
    """The pages by their addresses, because a narrow screen folds the navigation away."""
    page = visitor.page
    visitor.draw(SEVEN, size=180)
    visitor.settle()
    expect(visitor.answer).to_have_text("7")
    yield "answer"
    visitor.labels.filter(has_text="1").click()
    expect(page.locator(".latest figure")).to_have_count(1)
    for name, heading in (
        ("history", "Your drawings"),
        ("insight", "Most confident mistakes"),
        ("model", "Versions"),
        ("administration", "Administration"),
    ):
        page.goto(f"{address}/{name}")
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        expect(page.locator('[data-test-script-state="running"]')).to_have_count(0)
        yield name
    page.goto(f"{address}/history")
    page.locator(".latest a").first.click()
    expect(page.get_by_text("Delete this drawing")).to_be_visible()
    yield "drawing"


def test_nothing_moves_for_people_who_asked_for_that(visit: Callable[..., Visitor], governed):
    visitor = visit(governed, reduced_motion="reduce")
    visitor.draw(SEVEN)
    visitor.settle()
    visitor.labels.filter(has_text="7").click()
    expect(visitor.page.locator(".latest figure")).to_have_count(1)

    durations = visitor.page.evaluate(DURATIONS)

    assert durations  # the guard against double taps, which moves nothing, keeps its time
    assert {name for name, seconds in durations if seconds > 0.01} == {"arm"}


DURATIONS = """[...document.querySelectorAll("*")].flatMap(element => {
  const style = getComputedStyle(element);
  return [[style.animationName, parseFloat(style.animationDuration)],
          ["transition", parseFloat(style.transitionDuration)]];
}).filter(([name]) => name !== "none")"""
