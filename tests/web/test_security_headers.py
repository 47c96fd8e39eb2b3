"""What every answer tells the browser."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from mnist.web.security_headers import HEADERS, SecurityHeaders


def test_every_answer_gets_the_headers_and_keeps_those_that_it_has():
    own = Route("/own", lambda _: PlainTextResponse("", headers={"Referrer-Policy": "no-referrer"}))
    client = TestClient(Starlette(routes=[own], middleware=[Middleware(SecurityHeaders)]))

    plain, kept = client.get("/nothing").headers, client.get("/own").headers

    assert {name: plain[name] for name in HEADERS} == HEADERS
    assert {name: kept[name] for name in HEADERS} == {**HEADERS, "Referrer-Policy": "no-referrer"}
