"""The visitor's cookie."""

import re
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from mnist.web.visitor_cookie import COOKIE, HTTPS_COOKIE, VisitorCookie, session_of


@pytest.fixture
def client() -> TestClient:
    def answer(_request):
        return PlainTextResponse("page")

    routes = [Route("/", answer, methods=["GET", "POST"]), Route("/history", answer), Route("/api/model", answer)]
    app = Starlette(routes=routes, middleware=[Middleware(VisitorCookie)])
    return TestClient(app, headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})


def test_a_new_visitor_gets_a_cookie_that_scripts_and_other_sites_can_not_use(client):
    given = client.get("/").headers["set-cookie"]

    assert re.fullmatch(r"visitor=[0-9a-f]{32}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax", given)


def test_a_shared_link_gives_the_cookie_too(client):
    assert "set-cookie" in client.get("/history?drawing=1").headers


def test_the_pages_files_need_no_cookie(client):
    assert "set-cookie" not in client.get("/", headers={"accept": "*/*"}).headers


def test_over_https_the_cookie_stays_there(client):
    client.base_url = "https://digits.example"

    given = client.get("/").headers["set-cookie"]

    assert given.startswith("__Host-visitor=")  # which browsers take from this very host alone
    assert "; Path=/;" in given
    assert given.endswith("; Secure")
    assert "Domain" not in given


def test_a_cookie_that_a_neighbouring_site_planted_does_not_count_over_https(client):
    client.base_url = "https://digits.example"
    planted = "0" * 32

    given = client.get("/", headers={"cookie": f"{COOKIE}={planted}"}).headers["set-cookie"]

    own = given.split(";")[0].partition("=")[2]
    sent = {COOKIE: planted, HTTPS_COOKIE: own}
    assert session_of(sent) == session_of({HTTPS_COOKIE: own}) != session_of({COOKIE: planted})


def test_a_visitor_who_has_one_keeps_it_for_another_year(client):
    first = client.get("/").headers["set-cookie"]

    assert client.get("/").headers["set-cookie"] == first


@pytest.mark.parametrize(
    "others",
    [
        'prefs={"lang":"de"}; {}',
        "name=Jürgen; {}",
        'q=a"b; {}',
        "bad[key]=1; {}",
        "consent=a b; {}",
        "{}; a,b=1",
        "{}; empty",
    ],
)
def test_cookies_of_other_programs_on_the_host_do_not_matter(client, others):
    own = "visitor=" + "5" * 32

    given = client.get("/", headers={"cookie": others.replace("{}", own).encode("latin-1")}).headers["set-cookie"]

    assert given.startswith(own + ";")


def test_two_visitors_get_two_cookies(client):
    first = client.get("/").headers["set-cookie"]
    client.cookies.clear()

    assert client.get("/").headers["set-cookie"] != first


@pytest.mark.parametrize("forged", ["admin", "0" * 31, "0" * 33, "Z" * 32, "' OR 1=1 --"])
def test_what_is_no_cookie_of_ours_is_replaced_and_names_nobody(client, forged):
    assert "set-cookie" in client.get("/", headers={"cookie": f"{COOKIE}={forged}"}).headers
    assert session_of({COOKIE: forged}) is None


def test_the_api_gives_no_cookies(client):
    assert "set-cookie" not in client.get("/api/model").headers
    assert "set-cookie" not in client.post("/").headers


def test_the_stored_name_does_not_tell_the_cookie():
    cookie = "0123456789abcdef" * 2

    assert session_of({COOKIE: cookie}) == session_of({COOKIE: cookie})
    assert session_of({COOKIE: cookie}) != session_of({COOKIE: "f" * 32})
    assert cookie not in (session_of({COOKIE: cookie}) or "")
    assert session_of({}) is None


def test_the_applications_start_goes_through():
    started = []

    async def lifespan(_app):
        started.append(True)
        yield

    app = Starlette(middleware=[Middleware(VisitorCookie)], lifespan=asynccontextmanager(lifespan))

    with TestClient(app):
        assert started == [True]
