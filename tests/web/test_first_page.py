"""The page before its scripts have run, and the small font of icons."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from mnist.web.first_page import FONT, ROOT, FirstPage

STREAMLITS = (Path(streamlit.__file__).parent / "static" / "index.html").read_text()
ICONS = "/static/media/MaterialSymbols-Rounded.abc.woff2"
TEXT = "/static/media/SourceSansVF-Upright.ttf.B-x_1.woff2"


@pytest.fixture
def client(tmp_path) -> TestClient:
    (tmp_path / "icons.woff2").write_bytes(b"icons")
    (tmp_path / "empty.woff2").write_bytes(b"no letters")
    routes = [
        *(Route(path, lambda _: HTMLResponse(STREAMLITS, headers={"ETag": "old"})) for path in ("/", "/history")),
        Route("/docs", lambda _: HTMLResponse("<p>another page</p>", headers={"ETag": "kept"})),
        *(Route(path, lambda _: Response(b"the whole font")) for path in (ICONS, TEXT)),
        Route("/static/media/Other.woff2", lambda _: Response(b"another font")),
    ]
    compressed = GZipMiddleware(HTMLResponse(STREAMLITS))
    routes.append(Mount("/history", compressed))
    first_page = Middleware(
        FirstPage,
        icons=tmp_path / "icons.woff2",
        no_letters=tmp_path / "empty.woff2",
        title="Draw",
        scripts=("pad/keys.js?1",),
        pad="pad/pad.js?2",
        canvas="canvas.js",
        widgets=("static/js/Html.3.js",),
        preview="pad/preview.png?4",
    )
    return TestClient(Starlette(routes=routes, middleware=[first_page]))


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_the_page_shows_something_before_its_scripts_run(client, encoding):
    answer = client.get("/", headers={"Accept-Encoding": encoding})

    assert ROOT in STREAMLITS
    assert '<div class="skeleton">' in answer.text
    assert "<title>Draw</title>" in answer.text
    assert answer.headers.get("content-encoding", "identity") == encoding
    assert "etag" not in answer.headers


def test_the_pad_comes_before_streamlits_scripts_and_these_are_all_there(client):
    before, later = client.get("/").text.split('<template id="later">')
    later, after = later.split("</template>")

    for name in re.findall(r"static/js/[^\"]+", STREAMLITS):
        assert name in later
        assert name not in before + after
    assert '<script type="module" crossorigin src="./pad/keys.js?1"></script>' in later
    assert re.match(r'<link rel="modulepreload" crossorigin href="./static/js/index\.[^"]+">', later)
    assert '<link rel="modulepreload" crossorigin fetchpriority="low" href="./static/js/Html.3.js">' in later
    assert '<link rel="modulepreload" crossorigin href="./pad/pad.js?2">' in after
    assert 'import("./pad/pad.js?2")' in after


@pytest.mark.parametrize("address", ["/history", "/?large"])
def test_a_page_that_may_have_no_pad_has_a_skeleton_that_streamlit_clears(client, address):
    page = client.get(address).text

    assert '<div id="root"><style>' in page
    assert "pad.js" not in page
    assert '<script type="module" crossorigin src="./pad/keys.js?1"></script></head>' in page
    assert [name for name in re.findall(r"static/js/[^\"]+", STREAMLITS) if name not in page] == []


def test_no_page_asks_for_a_font(client):
    assert FONT.search(STREAMLITS)
    assert 'as="font"' not in client.get("/").text
    assert 'as="font"' not in client.get("/history").text


@pytest.mark.parametrize("address", ["/", "/history?drawing=1"])
def test_a_link_to_it_has_a_preview(client, address):
    page = client.get(address, headers={"host": "digits.example"}).text

    assert '<meta property="og:title" content="Draw">' in page
    assert '<meta property="og:description" content="Draw a digit, and see' in page
    assert '<meta property="og:image" content="http://digits.example/pad/preview.png?4">' in page


def test_a_host_cannot_write_into_the_page(client):
    page = client.get("/", headers={"host": 'x"><script>alert(1)</script>'}).text

    assert "<script>alert" not in page


def test_the_whole_fonts_give_way_to_small_ones(client):
    assert client.get(ICONS).content == b"icons"
    assert client.get(TEXT).content == b"no letters"
    assert client.get("/static/media/Other.woff2").content == b"another font"


def test_other_pages_stay_as_they_are(client):
    answer = client.get("/docs")

    assert (answer.text, answer.headers["etag"]) == ("<p>another page</p>", "kept")
    assert client.get("/missing").status_code == 404


def test_the_page_is_changed_where_streamlit_compresses_it(client):
    answer = client.get("/history/", headers={"Accept": "text/html,*/*", "Accept-Encoding": "gzip"})

    assert "pad/keys.js?1" in answer.text
    assert answer.headers["content-encoding"] == "gzip"
