"""What no page of ours sends is turned away."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from mnist.web.request_filter import RequestFilter
from mnist.web.security_headers import SecurityHeaders

SOCKET = "/_stcore/stream"


async def answer(_request):
    response = PlainTextResponse("fine")
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", secure=True)
    return response


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def serve(
    *, host="digits.example.org", address="203.0.113.9", domains=(), origins=(), token=None, scheme="http"
) -> TestClient:
    routes = [
        Mount("/api", routes=[Route("/feedback", answer, methods=["GET", "POST"])]),
        Route("/metrics", answer),
        Route("/_stcore/metrics", answer),
        Route("/healthz", answer),
        WebSocketRoute(SOCKET, socket),
    ]
    middleware = [Middleware(SecurityHeaders), Middleware(RequestFilter, domains, origins, token)]
    app = Starlette(routes=routes, middleware=middleware)
    return TestClient(app, base_url=f"{scheme}://{host}", client=(address, 50_000))


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://digits.example.org.evil.example"])
def test_a_page_of_another_site_posts_nothing(origin):
    refused = serve().post("/api/feedback", headers={"Origin": origin})

    assert refused.status_code == 403
    assert "CORS_ORIGINS" in refused.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://digits.example.org"}, {"Origin": "https://outside", "Sec-Fetch-Site": "same-origin"}],
)
def test_programs_and_the_servers_own_pages_post(headers):
    assert serve().post("/api/feedback", headers=headers).status_code == 200


@pytest.mark.parametrize("origins", [("https://a.example",), ("*",)])
def test_a_site_that_the_settings_name_may_post(origins):
    assert serve(origins=origins).post("/api/feedback", headers={"Origin": "https://a.example"}).status_code == 200


def test_another_name_for_this_server_gets_neither_socket_nor_api():
    stranger = serve(host="evil.example", domains=("digits.example.org",))
    host = {"Host": "evil.example"}

    assert stranger.get("/api/feedback").status_code == 403
    with pytest.raises(WebSocketDisconnect), stranger.websocket_connect(SOCKET, headers=host):
        pass
    with serve(domains=("evil.example",)).websocket_connect(SOCKET, headers=host) as socket:
        assert socket.receive()["type"] == "websocket.close"  # was let in, and `socket` above ends it


@pytest.mark.parametrize("host", ["digits.example.org", "digits.example.org:8501", "10.0.0.7:8501", "localhost", "app"])
def test_its_own_names_and_addresses_are_answered(host):
    assert serve(host=host, domains=("digits.example.org",)).get("/api/feedback").status_code == 200


def test_below_a_domain_with_an_asterisk_every_name_is_ours():
    assert serve(host="a.example.org", domains=("*.example.org",)).get("/api/feedback").status_code == 200
    assert serve(host="aexample.org", domains=("*.example.org",)).get("/api/feedback").status_code == 403


@pytest.mark.parametrize("path", ["/metrics", "/_stcore/metrics"])
def test_metrics_are_for_private_addresses_or_the_token(path):
    token = {"Authorization": "Bearer secret"}

    assert serve(address="8.8.8.8").get(path).status_code == 403
    assert serve(address="8.8.8.8").get(path, headers=token).status_code == 403
    assert serve(address="8.8.8.8", token="secret").get(path, headers=token).status_code == 200
    assert serve(address="10.231.85.7").get(path).status_code == 200
    assert serve(address="8.8.8.8").get("/healthz").status_code == 200


def test_over_https_every_cookie_is_for_https():
    over_https, plain = (serve(scheme=scheme).get("/healthz") for scheme in ("https", "http"))

    assert [each.lower().count("; secure") for each in over_https.headers.get_list("set-cookie")] == [1, 1]
    assert [each.lower().count("; secure") for each in plain.headers.get_list("set-cookie")] == [0, 1]
