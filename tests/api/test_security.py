"""Who is let in, how often, and under which name."""

import time
import uuid

import pytest
from fastapi import HTTPException

from mnist.api.security import AccessControl
from tests.support.pictures import seven

KEY = "s3cret-ключ"
PNG = {"Content-Type": "image/png"}


@pytest.fixture
def locked(serve):
    return serve(api_key=KEY)


def offered(key: str) -> list[dict[str, bytes]]:
    return [
        {"Authorization": b"Bearer " + key.encode()},
        {"X-API-Key": key.encode()},
        {"authorization": b"bearer " + key.encode()},
    ]


@pytest.mark.parametrize("header", offered(KEY))
def test_the_key_opens_in_either_header(locked, header):
    assert locked.post("/api/predict", content=seven(), headers={**PNG, **header}).status_code == 200


@pytest.mark.parametrize(
    "header", [{}, *offered("s3cret"), *offered(""), *offered(KEY + "x"), {"Authorization": "Basic abc"}]
)
@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/api/predict"),
    ("POST", "/api/predict/batch"),
    ("POST", "/api/feedback"),
    ("POST", f"/api/predictions/{uuid.UUID(int=1)}/feedback"),
    ("GET", "/api/model"),
])  # fmt: skip
def test_without_the_key_every_call_is_401_and_nothing_is_stored(locked, kept, method, path, header):
    answer = locked.request(method, path, headers={**PNG, **header}, content=seven() if method == "POST" else None)

    assert answer.status_code == 401
    assert "Bearer" in answer.headers["www-authenticate"]
    assert "X-API-Key" in answer.json()["error"]
    assert kept.recent(limit=1) == []


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/docs", "/api/openapi.json"])
def test_health_metrics_and_documents_stay_open(locked, path):
    assert locked.get(path).status_code == 200


def test_with_the_key_a_session_tells_users_apart(locked, kept):
    headers = {**PNG, "X-API-Key": KEY.encode(), "X-Session-Id": "user 42"}

    locked.post("/api/predict", content=seven(), headers=headers)

    [row] = kept.recent(limit=10)
    assert row.session_id == "user 42"


def test_with_the_key_but_without_a_session_the_address_stands_for_it(locked, kept):
    locked.post("/api/predict", content=seven(), headers={**PNG, "X-API-Key": KEY.encode()})

    assert [row.session_id for row in kept.recent(limit=10)] == ["192.0.2.7"]


def test_without_a_key_the_session_is_ignored_whatever_it_is(client, kept):
    for session in ("someone else", "x" * 500):
        client.post("/api/predict", content=seven(), headers={**PNG, "X-Session-Id": session})

    assert {row.session_id for row in kept.recent(limit=10)} == {"192.0.2.7"}


@pytest.mark.parametrize(("session", "status"), [("x" * 64, 200), ("x" * 65, 422), (b"\x01", 422)])
def test_a_session_has_at_most_64_printable_characters(locked, session, status):
    headers = {**PNG, "X-API-Key": KEY.encode(), "X-Session-Id": session}

    assert locked.post("/api/predict", content=seven(), headers=headers).status_code == status


@pytest.mark.parametrize(
    ("address", "session"),
    [
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:9", "2001:db8:1:2::/64"),
    ],
)
def test_a_client_is_one_person_whichever_of_its_addresses_it_uses(serve, kept, address, session):
    serve(address=address).post("/api/predict", content=seven(), headers=PNG)

    assert [row.session_id for row in kept.recent(limit=1)] == [session]


def test_too_many_requests_are_told_when_to_come_back(serve):
    client = serve(rate_limit=3)
    answers = [client.get("/api/model") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert "Wait" in answers[-1].json()["error"]
    assert [client.get(path).status_code for path in ("/healthz", "/metrics", "/api/docs")] == [200] * 3


def test_guessing_keys_is_limited_too(serve):
    client = serve(api_key=KEY, rate_limit=2)

    assert [client.get("/api/model", headers={"X-API-Key": str(n)}).status_code for n in range(3)] == [401, 401, 429]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("::ffff:198.51.100.8", "198.51.100.0/24"),
        ("2001:db8:1:2::1", "2001:db8:1::/48"),
        ("unknown", "unknown"),
    ],
)
def test_a_callers_network_is_told_unless_a_key_vouches_for_the_session(address, network):
    assert AccessControl(None, 0).admit(address, (), None).neighbourhood == network
    assert AccessControl("key", 0).admit(address, ("key",), "user 42").neighbourhood is None


def test_an_ipv6_customer_has_one_limit_for_all_his_addresses():
    gate = AccessControl(None, 1)
    gate.admit("2001:db8:1:2::1", (), None)

    with pytest.raises(Exception, match="429"):
        gate.admit("2001:db8:1:2:ffff::9", (), None)

    gate.admit("2001:db8:1:3::1", (), None)
    gate.admit("192.0.2.1", (), None)
    gate.admit("192.0.2.2", (), None)


def test_a_page_of_another_site_may_call_if_it_is_named(serve):
    def allowed(client, origin):
        answer = client.options(
            "/api/predict",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type",
            },
        )
        return answer.headers.get("access-control-allow-origin")

    named = serve(cors_origins=("https://a.example",))

    assert allowed(serve(cors_origins=("*",)), "null") == "*"
    assert allowed(serve(), "https://a.example") is None
    assert allowed(named, "https://a.example") == "https://a.example"
    assert allowed(named, "https://b.example") is None


def test_a_page_of_another_site_may_send_a_key_and_learns_when_to_come_back(serve):
    client, origin = serve(cors_origins=("*",)), {"Origin": "https://a.example"}
    wanted = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,traceparent,x-api-key,x-session-id",
    }

    assert client.options("/api/predict", headers={**origin, **wanted}).status_code == 200
    assert (
        client.options("/api/predict", headers={**origin, **wanted, "Access-Control-Request-Method": "PUT"}).status_code
        == 400
    )
    assert client.get("/api/model", headers=origin).headers["access-control-expose-headers"] == "Retry-After"


def test_a_clock_that_is_set_back_turns_nobody_away_for_longer_than_the_minute(monkeypatch):
    gate = AccessControl(None, rate_limit=3)
    for _ in range(3):
        gate.admit("192.0.2.1", (), None)
    now, steady = time.time(), time.monotonic()

    monkeypatch.setattr(time, "time", lambda: now - 3600)
    with pytest.raises(HTTPException):  # the limit holds all the same
        gate.admit("192.0.2.1", (), None)

    monkeypatch.setattr(time, "monotonic", lambda: steady + 61)
    gate.admit("192.0.2.1", (), None)
