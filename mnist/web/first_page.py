"""Makes a first visit short: a pad to draw on before Streamlit has loaded, and no fonts but a few icons.

Streamlit's page is white until 0.6 MB of scripts have run, and loads 0.55 MB of fonts. Here the pad comes first and its
strokes go to Streamlit's page once that is there (mnist/ui/pad/pad.js). The text is in a font of the system's
(.streamlit/config.toml); of the icons' font only those are sent that the page and Streamlit's widgets use.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ICONS = re.compile(r"/static/media/MaterialSymbols-Rounded\.[\w-]+\.woff2$")
TEXT = re.compile(r"/static/media/SourceSansVF-\w+\.ttf\.[\w-]+\.woff2$")
ROOT = '<div id="root"></div>'
FONT = re.compile(r'<link\s+rel="preload"[^>]*as="font"[^>]*/>\s*')
SCRIPTS = re.compile(r'<(?:script type="module"|link rel="modulepreload")[^>]*>(?:</script>)?')
TITLE = """<title>{title}</title>
<meta name="description" content="Draw a digit, and see at once what a neural network reads and how sure it is.">
<meta property="og:title" content="{title}"><meta property="og:type" content="website">
<meta property="og:description" content="Draw a digit, and see at once what a neural network reads and how sure it is.">
<meta property="og:image" content="{picture}"><meta name="twitter:card" content="summary_large_image">"""
SOURCE = re.compile(r'src="([^"]+)"')
# The pad stands where Streamlit's page will have it (mnist/ui/css.py).
SKELETON = """<style>
.skeleton { position: fixed; inset: 0; z-index: 1000000; background: light-dark(#fbfaf7, #12151c);
  color: light-dark(#1d2433, #e9ecf3); color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif;
  --st-primary-color: light-dark(#2456d6, #7aa2ff); --st-border-color: light-dark(#d8d3c6, #343b4a);
  --st-button-radius: .6rem; }
.skeleton div { box-sizing: border-box; max-width: 46rem; margin: 0 auto; padding: 4.2rem 1rem 0; }
.skeleton b { display: block; font-size: 1.7rem; line-height: 1.35; height: 6.4875rem; }
.skeleton span { display: block; width: 300px; height: 300px; background: #000;
  --pad-width: 300px; --pad-height: 300px; }
.skeleton p { margin: 4.2rem 0 0; max-width: 20rem; }
@media (max-width: 640px) { .skeleton div { padding-top: 0; }
  .skeleton b { height: 6rem; padding-top: .6rem; box-sizing: border-box; font-size: 1rem; }
  .skeleton span { --pad-width: 100%; --pad-height: clamp(180px, 100dvh - 412px, 100vw - 2rem); width: 100%;
    height: var(--pad-height); } }
@media (max-width: 340px) { .skeleton div { padding-inline: .6rem; } }
@media (max-height: 480px) and (min-width: 480px) { .skeleton div { padding-top: 3rem; position: relative; }
  .skeleton b { height: 3.2rem; font-size: 1rem; }
  .skeleton span { --pad-width: 100%; --pad-height: clamp(150px, 100dvh - 150px, 300px); height: var(--pad-height);
    width: calc(46% - .7rem - 4px); }
  .skeleton p { position: absolute; left: 50%; top: 6rem; margin: 0; } }
</style><div class="skeleton"><div><b>Draw a digit</b><span></span><p role="status">Loading …</p></div></div>"""
# The pad has the line to itself: beside Streamlit's scripts it would come as late as they do. These are asked for once
# its canvas is there, or, in browsers that do not tell, once it runs.
PAD_FIRST = """<script>
function loadTheRest() {{ document.head.append(document.querySelector("#later").content); }}
</script>
<link rel="modulepreload" crossorigin href="./{canvas}" onload="loadTheRest()" onerror="loadTheRest()">
<link rel="modulepreload" crossorigin href="./{pad}">
<script type="module">
import("./{pad}").then((pad) => pad.begin(document.querySelector(".skeleton"))).catch(() => {{
  document.querySelector("#root").append(document.querySelector(".skeleton")); // goes when Streamlit begins
}}).finally(loadTheRest);
</script>"""


class FirstPage:
    """ASGI middleware that sends Streamlit's page with a pad or a skeleton in it, and a small font of icons."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        icons: Path,
        no_letters: Path,
        title: str,
        scripts: tuple[str, ...],
        pad: str,
        canvas: str,
        widgets: tuple[str, ...],
        preview: str,
        watch: str = "",
    ) -> None:
        """icons: WOFF2 file in place of the whole font of icons. title: of the page until it has run.

        no_letters: WOFF2 file in place of Streamlit's text font, which it asks for before it knows the page's own.
        scripts: addresses of modules that the page runs. pad: of the module with `begin`; canvas: of what it imports.
        widgets: of the modules that Streamlit's page asks for late. preview: of the picture beside a link to a page.
        watch: JavaScript that runs before all others.
        """
        self._app = app
        self._icons, self._no_letters = icons.read_bytes(), no_letters.read_bytes()
        self._title, self._preview = title, preview
        self._watch = f"<script>{watch}</script>"
        self._scripts = "".join(f'<script type="module" crossorigin src="./{each}"></script>' for each in scripts)
        self._widgets = "".join(
            f'<link rel="modulepreload" crossorigin fetchpriority="low" href="./{each}">' for each in widgets
        )
        self._pad_first = PAD_FIRST.format(pad=pad, canvas=canvas)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
        elif ICONS.search(scope["path"]) or TEXT.search(scope["path"]):
            font = self._icons if ICONS.search(scope["path"]) else self._no_letters
            headers = {"Cache-Control": "public, max-age=86400"}
            await Response(font, headers=headers, media_type="font/woff2")(scope, receive, send)
        else:
            asked = Headers(scope=scope)
            takes_gzip = "gzip" in asked.get("accept-encoding", "")
            change = self._with_pad if scope["path"] == "/" and not scope["query_string"] else self._changed
            host = f"{scope['scheme']}://{asked.get('host', '')}"
            if "text/html" in asked.get("accept", ""):
                # Streamlit compresses its page itself at every address but "/", and then it could not be changed.
                plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
                scope = {**scope, "headers": plain}
            await self._app(scope, receive, _Page(send, partial(change, host), takes_gzip).send)

    def _titled(self, host: str, page: str) -> str:
        """Streamlit's page with our title, without its font, and with what a chat shows beside a link to it.

        host: of this server, as the visitor names it: a preview's picture needs a whole address.
        """
        title = TITLE.format(title=self._title, picture=escape(f"{host}/{self._preview}"))
        return FONT.sub("", page.replace("<title>Streamlit</title>", title + self._watch))

    def _changed(self, host: str, page: str) -> str:
        """Streamlit's page with a skeleton that goes when Streamlit begins."""
        page = self._titled(host, page)
        page = page.replace("</head>", f"{self._scripts}</head>", 1)
        return page.replace(ROOT, f"{ROOT.removesuffix('</div>')}{SKELETON}</div>", 1)

    def _with_pad(self, host: str, page: str) -> str:
        """Streamlit's page with a pad over it, which loads Streamlit's scripts when it is there itself."""
        page = self._titled(host, page)
        scripts = "".join(SCRIPTS.findall(page))
        # The largest first: browsers ask for an added script after all that is preloaded.
        first = "".join(f'<link rel="modulepreload" crossorigin href="{each}">' for each in SOURCE.findall(scripts))
        later = first + scripts + self._scripts + self._widgets
        page = SCRIPTS.sub("", page).replace("</head>", f'<template id="later">{later}</template></head>', 1)
        return page.replace(ROOT, f"{ROOT}{SKELETON}{self._pad_first}", 1)


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
