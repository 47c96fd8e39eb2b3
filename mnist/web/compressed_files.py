"""The page's own files, compressed once: a first visit loads 3 MB of them, which are 1.2 MB compressed."""

from __future__ import annotations

import asyncio
import gzip
import posixpath

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COMPRESSED = (".js", ".css")
LARGEST = 4 * 2**20  # bytes; larger are only charts that no page here has


class CompressedFiles:
    """ASGI middleware for Streamlit's scripts and styles, whose names change with their content.

    Streamlit sends them as they are, because Starlette would compress them anew for every visitor. Here they are kept:
    6 MB at most, were every page and chart of Streamlit's asked for.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[str, tuple[list[tuple[bytes, bytes]], bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_wanted(scope):
            await self._app(scope, receive, send)
            return
        path = posixpath.normpath(scope["path"])  # else every file could be kept under any number of names
        if path not in self._kept:
            answer = _Answer(send)
            await self._app(scope, receive, answer.take)
            if not answer.is_held:
                return
            self._kept[path] = await asyncio.to_thread(answer.compressed)
        headers, body = self._kept[path]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _Answer:
    """Held back when it is a whole file of a fair size; anything else goes through as it comes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._headers = Headers()
        self._body = b""
        self.is_held = False

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._headers = Headers(raw=message["headers"])
            length = int(self._headers.get("content-length", LARGEST + 1))
            is_plain = "content-encoding" not in self._headers
            # Streamlit answers with its page, and 200, where there is no such file.
            is_file = message["status"] == 200 and not self._headers.get("content-type", "").startswith("text/html")
            self.is_held = is_file and is_plain and length <= LARGEST
        if not self.is_held:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")

    def compressed(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        body = gzip.compress(self._body, 6, mtime=0)
        headers = MutableHeaders(raw=list(self._headers.raw))
        headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(body))
        headers.add_vary_header("Accept-Encoding")
        for name in ("ETag", "Accept-Ranges"):  # of the file as it was
            del headers[name]
        return headers.raw, body


def _is_wanted(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].endswith(COMPRESSED):
        return False
    headers = Headers(scope=scope)
    is_whole = "range" not in headers and "if-none-match" not in headers and "if-modified-since" not in headers
    return "/static/" in scope["path"] and is_whole and "gzip" in headers.get("accept-encoding", "")
