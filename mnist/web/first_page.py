"""Makes a first visit short: something to see at once, no fonts but a few icons, and early requests for the pad.

Streamlit's page is white until 0.6 MB of scripts have run, and loads 0.55 MB of fonts. The text is in a font of the
system's (.streamlit/config.toml); of the icons' font only those are sent that the page and Streamlit's widgets use.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ICONS = re.compile(r"/static/media/MaterialSymbols-Rounded\.[\w-]+\.woff2$")
TEXT = re.compile(r"/static/media/SourceSansVF-\w+\.ttf\.[\w-]+\.woff2$")
ROOT = '<div id="root"></div>'
FONT = re.compile(r'<link\s+rel="preload"[^>]*as="font"[^>]*/>\s*')
SKELETON = """<div id="root"><style>
.skeleton { position: fixed; inset: 0; background: light-dark(#fbfaf7, #12151c); color: light-dark(#1d2433, #e9ecf3);
  color-scheme: light dark; font: 1rem system-ui, sans-serif; }
.skeleton b { display: block; padding: .9rem 1rem; font-weight: 400; }
.skeleton div { box-sizing: border-box; max-width: 44rem; margin: 0 auto; padding: 2rem 1rem; }
.skeleton i { display: block; max-width: 300px; height: 300px; margin-bottom: 1rem; background: #000; }
@media (max-width: 640px) { .skeleton div { padding-top: 6rem; }
  .skeleton i { max-width: none; height: clamp(180px, 100vh - 412px, 100vw - 2rem); } }
</style><div class="skeleton"><b>Draw a digit</b><div><i></i>Loading the drawing pad …</div></div></div>"""


class FirstPage:
    """ASGI middleware that sends Streamlit's page with a skeleton in it, and a small font of icons."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        icons: Path,
        no_letters: Path,
        title: str,
        scripts: tuple[str, ...],
        early: tuple[str, ...],
        watch: str = "",
    ) -> None:
        """icons: WOFF2 file in place of the whole font of icons. title: of the page until it has run.

        no_letters: WOFF2 file in place of Streamlit's text font, which it asks for before it knows the page's own.
        scripts: addresses of modules that the page runs; early: of modules to load beside Streamlit's own.
        watch: JavaScript that runs before all others.
        """
        self._app = app
        self._icons, self._no_letters = icons.read_bytes(), no_letters.read_bytes()
        self._title = title
        self._head = "".join(f'<link rel="modulepreload" crossorigin href="./{each}">' for each in early)
        self._head += f"<script>{watch}</script>"
        self._head += "".join(f'<script type="module" crossorigin src="./{each}"></script>' for each in scripts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
        elif ICONS.search(scope["path"]) or TEXT.search(scope["path"]):
            font = self._icons if ICONS.search(scope["path"]) else self._no_letters
            headers = {"Cache-Control": "public, max-age=86400"}
            await Response(font, headers=headers, media_type="font/woff2")(scope, receive, send)
        else:
            takes_gzip = "gzip" in Headers(scope=scope).get("accept-encoding", "")
            await self._app(scope, receive, _Page(send, self._changed, takes_gzip).send)

    def _changed(self, page: str) -> str:
        page = FONT.sub("", page.replace("<title>Streamlit</title>", f"<title>{self._title}</title>"))
        return page.replace("</head>", f"{self._head}</head>", 1).replace(ROOT, SKELETON, 1)


class _Page:
    """Holds a response back while it may be Streamlit's page, and changes it; passes any other on."""

    def __init__(self, send: Send, change: Callable[[str], str], takes_gzip: bool) -> None:
        self._send, self._change, self._takes_gzip = send, change, takes_gzip
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = Headers(raw=message["headers"])
            is_page = headers.get("content-type", "").startswith("text/html") and "content-encoding" not in headers
            if message["status"] == 200 and is_page:
                self._start = message
                return
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        page = self._body.decode()
        if ROOT in page:
            headers = MutableHeaders(raw=list(start["headers"]))
            self._body = self._change(page).encode()
            for name in ("ETag", "Last-Modified", "Accept-Ranges"):  # they describe Streamlit's own file
                del headers[name]
            if self._takes_gzip:
                self._body = gzip.compress(self._body, 6, mtime=0)
                headers["Content-Encoding"] = "gzip"
                headers.add_vary_header("Accept-Encoding")
            headers["Content-Length"] = str(len(self._body))
            start = {**start, "headers": headers.raw}
        await self._send(start)
        await self._send({"type": "http.response.body", "body": self._body})
