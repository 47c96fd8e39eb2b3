"""Scripts and styles go out compressed, to whoever takes that."""

import gzip
import time

import brotli
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from streamlit.web.server.starlette.starlette_static_routes import create_streamlit_static_handler

from mnist.web.compressed_files import LARGEST, CompressedFiles

SCRIPT = "draw(7);\n" * 1000
GZIP = {"accept-encoding": "gzip"}


@pytest.fixture
def client(tmp_path) -> TestClient:
    (tmp_path / "page.js").write_text(SCRIPT)
    (tmp_path / "font.woff2").write_bytes(b"font")
    (tmp_path / "huge.js").write_bytes(b"x" * (LARGEST + 1))
    routes = [
        Mount("/app/static", StaticFiles(directory=tmp_path)),
        Route("/page.js", lambda _: PlainTextResponse(SCRIPT)),
        Mount("/streamed/static", lambda *arguments: StreamingResponse(iter([SCRIPT]))(*arguments)),
    ]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(CompressedFiles)]), headers=GZIP)


def encoding(client, path, **headers):
    return client.get(path, headers=headers).headers.get("content-encoding")


def test_a_script_is_compressed_and_the_same(client):
    for _ in range(2):  # made, and kept
        answer = client.get("/app/static/page.js")

        assert answer.text == SCRIPT
        assert answer.headers["content-encoding"] == "gzip"
        assert int(answer.headers["content-length"]) == len(gzip.compress(SCRIPT.encode(), 6)) < len(SCRIPT) / 10
        assert answer.headers["vary"] == "Accept-Encoding"
        assert "etag" not in answer.headers


def test_brotli_goes_to_whoever_takes_it(client):
    for _ in range(2):
        answer = client.get("/app/static/page.js", headers={"accept-encoding": "gzip, deflate, br, zstd"})

        assert (answer.text, answer.headers["content-encoding"]) == (SCRIPT, "br")
    assert encoding(client, "/app/static/page.js") == "gzip"


def test_later_visitors_get_the_smallest_form(tmp_path):
    script = "".join(f"draw({number * number});\n" for number in range(9000))
    (tmp_path / "page.js").write_text(script)
    app = Starlette(routes=[Mount("/static", StaticFiles(directory=tmp_path))])
    smallest = len(brotli.compress(script.encode(), quality=11))
    until = time.monotonic() + 60
    files = CompressedFiles(app, press_after=0)
    with TestClient(files, headers={"accept-encoding": "br"}) as client:  # with: one loop for all requests
        first = int(client.get("/static/page.js").headers["content-length"])
        while (later := client.get("/static/page.js")).headers["content-length"] != str(smallest):
            assert time.monotonic() < until, "it stays as large as for the first visitor"
            time.sleep(0.02)

    assert smallest < first
    assert later.text == script


def test_a_packages_files_are_compressed_here_too(tmp_path):
    (tmp_path / "index.js").write_text(SCRIPT)
    app = Starlette(routes=[Mount("/_stcore/bidi-components/pad.pad", StaticFiles(directory=tmp_path))])
    app.add_middleware(GZipMiddleware)  # as Streamlit does
    client = TestClient(CompressedFiles(app))

    assert encoding(client, "/_stcore/bidi-components/pad.pad/index.js", **{"accept-encoding": "br, gzip"}) == "br"


def test_it_is_read_once(client, tmp_path):
    client.get("/app/static/page.js")
    (tmp_path / "page.js").unlink()

    assert client.get("/app/static/page.js").text == SCRIPT


def test_whoever_takes_no_gzip_gets_it_as_it_is(client):
    client.get("/app/static/page.js")

    assert encoding(client, "/app/static/page.js", **{"accept-encoding": "identity"}) is None
    assert client.get("/app/static/page.js", headers={"accept-encoding": "identity"}).text == SCRIPT


@pytest.mark.parametrize("path", ["/app/static/font.woff2", "/app/static/huge.js", "/page.js", "/streamed/static/a.js"])
def test_other_answers_go_through(client, path):
    answer = client.get(path)

    assert answer.status_code == 200
    assert "content-encoding" not in answer.headers


def test_a_part_and_a_file_that_is_not_there_go_through(client):
    assert client.get("/app/static/page.js", headers={"range": "bytes=0-3"}).text == "draw"
    assert client.get("/app/static/none.js").status_code == 404
    assert client.get("/app/static/none.js").status_code == 404


def test_nobody_fills_the_memory_with_files_that_are_not_there(tmp_path):
    (tmp_path / "index.html").write_text("<html>" + "the page " * 1000)
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "page.js").write_text(SCRIPT)
    files = CompressedFiles(create_streamlit_static_handler(str(tmp_path), None))
    client = TestClient(files, headers=GZIP)

    for number in range(5):
        assert client.get(f"/static/none{number}.js").text.startswith("<html>")  # so does Streamlit
    for path in ("/static/page.js", "/static//page.js", "/static///./page.js"):
        answer = client.get(path)
        assert (answer.text, answer.headers["content-encoding"]) == (SCRIPT, "gzip")

    assert len(files._kept) == 1


def test_a_page_that_is_known_is_not_sent_again(client):
    etag = client.get("/app/static/page.js", headers={"accept-encoding": "identity"}).headers["etag"]

    assert client.get("/app/static/page.js", headers={"if-none-match": etag}).status_code == 304


@pytest.mark.parametrize("sent", [b"", SCRIPT.encode()[:100]], ids=["nothing", "a part"])
def test_a_visitor_who_leaves_early_leaves_no_part_of_a_file_to_others(tmp_path, sent):
    (tmp_path / "page.js").write_text(SCRIPT)
    files = StaticFiles(directory=tmp_path)
    is_first = True

    async def app(scope, receive, send):
        nonlocal is_first
        if not is_first:
            await files(scope, receive, send)
            return
        is_first = False
        length = str(len(SCRIPT)).encode()
        headers = [(b"content-type", b"text/javascript"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": sent, "more_body": True})  # and then the visitor is gone

    files_of_all = CompressedFiles(Starlette(routes=[Mount("/static", app)]))
    client = TestClient(files_of_all, headers=GZIP, raise_server_exceptions=False)
    client.get("/static/page.js")

    assert client.get("/static/page.js").text == SCRIPT
