"""Compresses Streamlit's static files once and caches them: a first visit loads 0.6 MB instead of 3 MB."""

from __future__ import annotations

import asyncio
import gzip
import posixpath

import brotli
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COMPRESSED = (".js", ".css")
FOLDERS = ("/static/", "/_stcore/bidi-components/")  # Streamlit's own, and those of the packages that it shows
LARGEST = 4 * 2**20  # bytes; only chart libraries that no page here uses are larger


class CompressedFiles:
    """ASGI middleware that serves Streamlit's scripts and styles compressed, from memory.

    Streamlit sends them uncompressed, because Starlette would compress them again for every visitor. Their names change
    with their content, so the cache never goes stale; it holds 12 MB at most, with every file of Streamlit's in it.
    Browsers take Brotli over https and from localhost only, and gzip elsewhere.
    """

    def __init__(self, app: ASGIApp, *, press_after: float = 30.0) -> None:
        """press_after: seconds until a file is compressed once more, as well as possible; not in the first visit."""
        self._app, self._press_after = app, press_after
        self._kept: dict[tuple[str, str], tuple[list[tuple[bytes, bytes]], bytes]] = {}
        self._one_at_a_time = asyncio.Semaphore(1)
        self._pressing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        coding = _coding(scope)
        if coding is None:
            await self._app(scope, receive, send)
            return
        path = posixpath.normpath(scope["path"])  # else clients could cache a file under any number of names
        if (path, coding) not in self._kept:
            response = _BufferedResponse(send)
            # Asked for as it is: Streamlit would compress a package's files again for everybody.
            plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            await self._app({**scope, "headers": plain}, receive, response.receive)
            if not response.is_whole:
                return
            self._kept[path, coding] = await asyncio.to_thread(response.compressed, coding)
            if coding == "br":
                task = asyncio.create_task(self._press(path, response))
                self._pressing.add(task)
                task.add_done_callback(self._pressing.discard)
        headers, body = self._kept[path, coding]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _press(self, path: str, response: _BufferedResponse) -> None:
        """Compress as well as Brotli can, for later visitors: a tenth smaller, but it takes up to 1.5 s for a file."""
        await asyncio.sleep(self._press_after)
        async with self._one_at_a_time:
            self._kept[path, "br"] = await asyncio.to_thread(response.compressed, "br", 11)


class _BufferedResponse:
    """Buffers a response that is a file of at most LARGEST bytes; passes any other on as it comes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._headers = Headers()
        self._body = b""
        self._length = 0
        self.is_held = False

    @property
    def is_whole(self) -> bool:
        """Whether the file is held from beginning to end: a visitor who leaves meanwhile cuts it off."""
        return self.is_held and len(self._body) == self._length

    async def receive(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._headers = Headers(raw=message["headers"])
            self._length = int(self._headers.get("content-length", LARGEST + 1))
            is_plain = "content-encoding" not in self._headers
            # For a file that does not exist, Streamlit sends its page with status 200.
            is_file = message["status"] == 200 and not self._headers.get("content-type", "").startswith("text/html")
            self.is_held = is_file and is_plain and self._length <= LARGEST
        if not self.is_held:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")

    def compressed(self, coding: str, quality: int = 9) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Raw headers and compressed body of the buffered response.

        coding: "br" or "gzip". quality: of Brotli, 0–11.
        """
        body = brotli.compress(self._body, quality=quality) if coding == "br" else gzip.compress(self._body, 6, mtime=0)
        headers = MutableHeaders(raw=list(self._headers.raw))
        headers["Content-Encoding"] = coding
        headers["Content-Length"] = str(len(body))
        headers.add_vary_header("Accept-Encoding")
        for name in ("ETag", "Accept-Ranges"):  # they describe the uncompressed file
            del headers[name]
        return headers.raw, body


def _coding(scope: Scope) -> str | None:
    """How the answer to a request is compressed: "br", "gzip", or None where it is passed on as it is."""
    if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].endswith(COMPRESSED):
        return None
    headers = Headers(scope=scope)
    is_whole = "range" not in headers and "if-none-match" not in headers and "if-modified-since" not in headers
    if not is_whole or not any(folder in scope["path"] for folder in FOLDERS):
        return None
    taken = {each.split(";")[0].strip() for each in headers.get("accept-encoding", "").split(",")}
    return next((each for each in ("br", "gzip") if each in taken), None)
