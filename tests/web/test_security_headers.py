"""What every answer tells the browser."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from mnist.web.security_headers import HEADERS, SecurityHeaders


def test_every_answer_gets_the_headers_and_keeps_those_that_it_has():
    own = Route("/own", lambda _: PlainTextResponse("", headers={"Referrer-Policy": "no-referrer"}))
    client = TestClient(Starlette(routes=[own], middleware=[Middleware(SecurityHeaders)]))

    plain, kept = client.get("/nothing").headers, client.get("/own").headers

    assert {name: plain[name] for name in HEADERS} == HEADERS
    assert {name: kept[name] for name in HEADERS} == {**HEADERS, "Referrer-Policy": "no-referrer"}


@pytest.mark.parametrize("kind", ["application/javascript", "text/css", "font/woff2"])
def test_a_part_of_a_page_gets_only_what_keeps_it_one(kind):
    part = Route("/part", lambda _: Response("", media_type=kind))
    client = TestClient(Starlette(routes=[part], middleware=[Middleware(SecurityHeaders)]))

    assert set(HEADERS) & {name.title() for name in client.get("/part").headers} == {"X-Content-Type-Options"}


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/json"])
def test_what_a_browser_shows_by_itself_gets_all(kind):
    shown = Route("/shown", lambda _: Response("", media_type=kind))
    client = TestClient(Starlette(routes=[shown], middleware=[Middleware(SecurityHeaders)]))

    assert set(HEADERS) <= {name.title() for name in client.get("/shown").headers}
