"""Three applications behind Caddy: what the public reaches, and that a visitor stays with one of the three."""

from __future__ import annotations

import hashlib
import hmac
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from playwright.sync_api import expect

from tests.container.conftest import API_KEY, Server, docker, eventually, headers
from tests.container.pictures import drawn
from tests.support.closed_addresses import CLOSED
from tests.support.strokes import DIGITS

PUBLIC = "https://localhost"
KEY = {"X-API-Key": API_KEY}


@pytest.fixture(scope="module")
def public(server: Server) -> Iterator[Server]:
    """`docker-compose up -d --scale app=3` with the profile https."""
    address = server.address
    with server.settings(COMPOSE_PROFILES="https", DOMAIN="localhost", PUBLISH="127.0.0.1:", RATE_LIMIT="0"):
        server.scale, server.address = 3, PUBLIC
        server.up()
        server.wait_until_ready()
        eventually(is_up, seconds=60)
        yield server
        server.compose("rm", "-sf", "caddy")
    server.scale, server.address = 1, address
    server.up()
    server.wait_until_ready()


def is_up() -> bool:
    try:
        return get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def get(path: str, **options: object) -> httpx.Response:
    return httpx.get(PUBLIC + path, verify=False, timeout=30, **options)  # type: ignore[arg-type]


def rows_of(server: Server, session: str) -> int:
    return int(server.query(f"SELECT count(*) FROM predictions WHERE session_id = '{session}'"))


@pytest.mark.parametrize("path", CLOSED)
def test_what_is_nobodys_business_is_closed(public, path):
    # Written to the socket as it is: a client would tidy the path up.
    import socket
    import ssl

    unchecked = ssl._create_unverified_context()
    with socket.create_connection(("localhost", 443)) as plain:
        secure = unchecked.wrap_socket(plain, server_hostname="localhost")
        secure.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: secure.recv(65536), b""))

    assert b" 404 " in answer.split(b"\r\n")[0], answer[:300]
    assert b"process_" not in answer


def test_the_page_is_served_with_security_headers(public):
    answer = get("/")

    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "camera=(self)" in answer.headers["permissions-policy"]
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["strict-transport-security"]
    assert httpx.get("http://localhost/", timeout=10).status_code == 308


def test_a_visitor_draws_and_the_camera_is_allowed(public, visit):
    visitor = visit(PUBLIC, ignore_https_errors=True)
    refused: list[str] = []
    visitor.page.on("console", lambda said: refused.append(said.text) if "Content Security" in said.text else None)

    visitor.draw(DIGITS[7][0])
    visitor.settle()

    expect(visitor.answer).to_have_text("7")
    assert visitor.page.evaluate("document.featurePolicy.allowsFeature('camera')")
    assert refused == []


def test_a_cookie_keeps_a_visitor_at_one_application_and_others_are_spread(public):
    with httpx.Client(verify=False, timeout=30) as visitor:
        visitor.get(PUBLIC)
        first = visitor.cookies["replica"]
        for _ in range(10):
            visitor.get(PUBLIC)
        assert visitor.cookies["replica"] == first

    assert len(Counter(get("/").cookies["replica"] for _ in range(30))) == 3


def test_a_forwarded_address_is_believed_from_caddy_only(public):
    """The key's sessions aside, a drawing is kept under its client's address."""
    lie = {**headers("", "image/png"), "X-Forwarded-For": "203.0.113.9"}
    lie.pop("X-Session-Id")
    through_caddy = httpx.post(
        f"{PUBLIC}/api/predict", content=drawn(7, 0), headers=lie, verify=False, timeout=30
    ).json()
    [container, *_] = public.containers("app")
    port = public.inspect(container)["NetworkSettings"]["Ports"]["8501/tcp"][0]["HostPort"]
    around_caddy = httpx.post(
        f"http://127.0.0.1:{port}/api/predict", content=drawn(7, 0), headers=lie, timeout=30
    ).json()

    for answer in (through_caddy, around_caddy):
        kept = public.query(f"SELECT session_id FROM predictions WHERE id = '{answer['id']}'")
        assert kept != "203.0.113.9"
        assert kept != "10.231.86.2"  # nor is everybody taken for Caddy


def test_the_death_of_one_application_is_felt_by_its_own_visitors_only(public, visit):
    homes = {cookie_of(public, container): container for container in public.containers("app")}
    residents = {}
    while len(residents) < 3:  # one at each
        visitor = visit(PUBLIC, ignore_https_errors=True)
        [home] = [each["value"] for each in visitor.page.context.cookies() if each["name"] == "replica"]
        residents.setdefault(homes[home], visitor)
    for visitor in residents.values():
        visitor.draw(DIGITS[7][0])
        visitor.settle()
        expect(visitor.answer).to_have_text("7")
    victim, *survivors = residents

    os.kill(public.inspect(victim)["State"]["Pid"], signal.SIGKILL)

    for container in survivors:  # their sessions still know what they have drawn
        visitor = residents[container]
        expect(visitor.answer).to_have_text("7")
        visitor.labels.filter(has_text="1").click()
        expect(visitor.page.get_by_text("Thank you! Stored as 1.")).to_be_visible()
    bereaved = residents[victim]
    bereaved.page.reload()
    bereaved.canvas.wait_for(timeout=60_000)
    bereaved.draw(DIGITS[1][0])
    bereaved.settle()
    expect(bereaved.answer).to_have_text("1")
    public.wait_until_ready()


def cookie_of(server: Server, container: str) -> str:
    """By which Caddy finds an application again: the HMAC of its address, with no key."""
    [address] = [
        found["IPAddress"]
        for network, found in server.inspect(container)["NetworkSettings"]["Networks"].items()
        if network.endswith("_front")
    ]
    return hmac.new(b"", f"{address}:8501".encode(), hashlib.sha256).hexdigest()


PROMOTE = """
from mnist.store.engine import connect
from mnist.store.model_registry import Registry
from mnist.settings import Settings

registry = Registry(connect(Settings.from_environment().database_url))
active = registry.active()
weights = registry.weights(active.version)
version = registry.promote(weights, {}, parent=registry.base().version, replaces=active.version, marks=[])
print(version, registry.active().created_at.timestamp())
"""


def test_a_promotion_reaches_every_application_within_ten_seconds(public):
    with ExitStack() as stack:
        clients = {}
        while len(clients) < 3:  # one at each
            client = stack.enter_context(httpx.Client(base_url=PUBLIC, headers=KEY, verify=False, timeout=30))
            client.get("/")
            clients.setdefault(client.cookies["replica"], client)

        version, made = public.compose("exec", "-T", "app", "python", "-c", PROMOTE).split()

        def served() -> list[int]:
            return [client.get("/api/model").json()["version"] for client in clients.values()]

        eventually(lambda: served() == [int(version)] * 3, seconds=10)
        assert time.time() - float(made) < 10
        assert [client.cookies["replica"] for client in clients.values()] == list(clients)


def test_no_prediction_is_lost_while_the_applications_are_replaced_one_by_one(public):
    """A client that repeats what was not answered has every answered drawing in the database, once."""
    answered: list[str] = []
    failures: list[str] = []
    stop = threading.Event()

    def keep_asking() -> None:
        with httpx.Client(verify=False, timeout=30) as client:
            while not stop.is_set():
                try:
                    answer = client.post(
                        f"{PUBLIC}/api/predict", content=drawn(3, 1), headers=headers("rolling", "image/png")
                    )
                except httpx.TransportError as error:
                    failures.append(repr(error))
                    continue
                if answer.status_code == 200:
                    answered.append(answer.json()["id"])
                else:
                    failures.append(str(answer.status_code))
                stop.wait(0.1)

    client = threading.Thread(target=keep_asking)
    client.start()
    try:
        for container in public.containers("app"):
            docker("restart", "-t", "30", container)
            public.wait_until_ready()
    finally:
        stop.set()
        client.join()

    assert len(answered) > 20
    assert len(set(answered)) == len(answered)
    assert rows_of(public, "rolling") >= len(answered)
    stored = set(public.query("SELECT id FROM predictions WHERE session_id = 'rolling'").split())
    assert set(answered) <= stored
    assert len(failures) <= 6, failures  # those that were under way in a process that ended
