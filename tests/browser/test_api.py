"""The API in a browser: the example page, the documentation, and both doors at once."""

import re
import threading
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.pictures import seven
from tests.support.strokes import DIGITS, Stroke

ROOT = Path(__file__).resolve().parent.parent.parent
SEVEN = DIGITS[7][0]


def draw(page: Page, strokes: list[Stroke]) -> None:
    """Strokes in pixels of the page."""
    for first, *others in strokes:
        page.mouse.move(*first)
        page.mouse.down()
        for x, y in others:
            page.mouse.move(x, y, steps=4)
        page.mouse.up()


def test_the_example_page_works_as_pasted(browser, shared_app, tmp_path):
    [example] = re.findall(r"```html\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.DOTALL)
    assert "http://localhost:8501" in example
    (tmp_path / "page.html").write_text(example.replace("http://localhost:8501", shared_app[0]))
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"file://{tmp_path}/page.html")
    box = page.locator("#canvas").bounding_box()
    assert box is not None

    draw(page, [[(box["x"] + 40 + 2 * x, box["y"] + 40 + 2 * y) for x, y in stroke] for stroke in SEVEN])

    expect(page.locator("#answer")).to_have_text(re.compile(r"^7 \(digit, 0\.9|^7 \(digit, 1\.0"))
    context.close()


def test_the_component_reads_what_is_drawn_and_takes_a_label(browser, shared_app, tmp_path):
    source = (ROOT / "examples" / "digit-canvas.js").as_uri()
    element = f'<digit-canvas server="{shared_app[0]}" size="280"></digit-canvas>'
    (tmp_path / "page.html").write_text(f'<!DOCTYPE html><script src="{source}" defer></script>{element}')
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"file://{tmp_path}/page.html")
    page.evaluate("addEventListener('digit', event => { window.said = event.detail })")
    box = page.locator("digit-canvas canvas").bounding_box()
    assert box is not None

    draw(page, [[(box["x"] + 40 + 2 * x, box["y"] + 40 + 2 * y) for x, y in stroke] for stroke in SEVEN])
    output = page.locator("digit-canvas output")
    expect(output).to_have_text(re.compile(r"^7 \(\d+ % sure\)$"))
    assert page.evaluate("window.said.digit") == 7
    page.get_by_role("button", name="It is a 7").click()

    expect(output).to_have_text("Thank you! Stored as 7.")
    context.close()


def test_the_documentation_works_without_any_other_server(browser, shared_app):
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{shared_app[0]}/api/docs")

    expect(page.get_by_text("/predict/batch")).to_be_visible()
    page.locator("#operations-default-show_model_model_get button").first.click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.get_by_text('"trained_from"').first).to_be_visible()

    assert [url for url in asked if not url.startswith((shared_app[0], "data:"))] == []
    context.close()


def test_the_page_and_the_api_serve_at_once(visit, shared_app):
    address, _ = shared_app
    statuses: list[int] = []
    stop = threading.Event()

    def call_the_api() -> None:
        while not stop.is_set() and len(statuses) < 200:
            request = urllib.request.Request(f"{address}/api/predict", seven(), {"Content-Type": "image/png"})
            with urllib.request.urlopen(request, timeout=20) as answer:
                statuses.append(answer.status)

    clients = [threading.Thread(target=call_the_api) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        visitor = visit(address)
        visitor.draw(SEVEN)
        visitor.settle()
        expect(visitor.answer).to_have_text("7")
        visitor.button("Yes, it’s a 7").click()
        expect(visitor.page.get_by_text("Thank you! Stored as 7.")).to_be_visible()
    finally:
        stop.set()
        for client in clients:
            client.join()

    assert len(statuses) > 10
    assert set(statuses) == {200}
    metrics = urllib.request.urlopen(f"{address}/metrics").read().decode()
    assert re.search(
        r'mnist_predictions_total\{digit="7",model_version="\d+",source="canvas",verdict="digit"\} [1-9]', metrics
    )
