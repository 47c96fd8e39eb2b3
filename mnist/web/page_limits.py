"""Limits of the page's own connections: what one message, one session and one client's sessions together may hold."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mnist.web.client_address import client_address, network_of
from mnist.web.visitor_cookie import session_of

log = logging.getLogger(__name__)

STREAM = "/_stcore/stream"
UPLOADS = "/_stcore/upload_file/"
# Commas and opening brackets of a message; each may become an object of Python's. A stroke's point has five, so this is
# seven minutes of drawing at 60 points a second.
MAX_PARTS = 150_000
PART_BYTES = 120  # memory of one of them, about
SESSION_BYTES = 320_000  # of a session that has sent nothing
LINGER_SECONDS = 130  # how long Streamlit keeps a session whose connection ended (disconnectedSessionTTL), and sweeps
TOO_BIG, TRY_LATER = 1009, 1013  # WebSocket close codes
# Streamlit resumes a session only for the same value of this header (trustedUserHeaders in .streamlit/config.toml).
VISITOR_HEADER = b"x-visitor"

FILES_OF_SESSION, BYTES_OF_SESSION = 2, 25 * 2**20
BYTES_OF_CLIENT, BYTES_OF_ALL = 60 * 2**20, 240 * 2**20
FILES_OF_ALL = 2_000
# Uploads on their way at the same time; each takes up to 10 MB twice.
UNDER_WAY_OF_CLIENT, UNDER_WAY_OF_ALL = 4, 12
UPLOAD_SECONDS = 120


class SessionLimits:
    """ASGI middleware around the page's WebSocket.

    It closes connections whose messages are too complex, and refuses new ones from clients that hold too much. It also
    names the visitor to Streamlit, or whoever learned a session's id could go on with it elsewhere.
    """

    def __init__(self, app: ASGIApp, sessions: int) -> None:
        """sessions: that one client may hold, if they are empty; 0: no limit."""
        self._app = app
        self._limit = sessions * SESSION_BYTES
        self._held: Counter[str] = Counter()  # bytes by client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        client = network_of(client_address(connection))
        if self._is_over(client, SESSION_BYTES):
            log.warning("A page was refused: its address holds too many sessions (SESSIONS_PER_ADDRESS).")
            await send({"type": "websocket.close", "code": TRY_LATER})
            return
        visitor = session_of(connection.cookies) or f"without a cookie, at {client}"
        headers = [each for each in scope["headers"] if each[0] != VISITOR_HEADER]
        scope = {**scope, "headers": [*headers, (VISITOR_HEADER, visitor.encode())]}
        held = SESSION_BYTES
        self._held[client] += held

        async def checked() -> Message:
            nonlocal held
            message = await receive()
            data = message.get("bytes") or b""
            size = SESSION_BYTES + len(data) + PART_BYTES * (parts := _parts(data))
            if parts <= MAX_PARTS and not self._is_over(client, max(0, size - held)):
                self._held[client] += max(0, size - held)
                held = max(held, size)
                return message
            log.warning("A page's connection was closed: its message of %d bytes has %d parts.", len(data), parts)
            await send({"type": "websocket.close", "code": TOO_BIG})
            return {"type": "websocket.disconnect", "code": TOO_BIG}

        try:
            await self._app(scope, checked, send)
        finally:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._release, client, held)

    def _is_over(self, client: str, more: int) -> bool:
        return bool(self._limit) and self._held[client] + more > self._limit

    def _release(self, client: str, held: int) -> None:
        self._held[client] -= held
        self._held += Counter()  # drops the clients that hold nothing


def _parts(data: bytes) -> int:
    return sum(map(data.count, (b",", b"[", b"{")))


@dataclass(frozen=True, slots=True)
class _File:
    client: str
    size: int  # bytes


class UploadLimits:
    """ASGI middleware around the page's uploads, which Streamlit keeps until their session ends, whatever their number.

    The oldest files go where a session has more than two or 25 MB, a client more than 60 MB, or all more than 240 MB.
    The page reads a file at once, so only who shows it again later finds it gone.
    """

    def __init__(self, app: ASGIApp, remove: Callable[[str, str], None]) -> None:
        """remove: makes Streamlit forget the file of this session and id."""
        self._app = app
        self._remove = remove
        self._under_way: Counter[str] = Counter()  # uploads by client
        self._files: OrderedDict[tuple[str, str], _File] = OrderedDict()  # by session and id, oldest first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(UPLOADS) or scope["method"] not in ("PUT", "DELETE"):
            await self._app(scope, receive, send)
            return
        client = network_of(client_address(HTTPConnection(scope)))
        if self._under_way[client] >= UNDER_WAY_OF_CLIENT or self._under_way.total() >= UNDER_WAY_OF_ALL:
            await _refuse(429, "Too many uploads at once. Wait for the others and try again.")(scope, receive, send)
            return
        self._under_way[client] += 1
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                await self._pass_on(client, scope, receive, send)
        except TimeoutError:
            await _refuse(408, f"The upload did not end within {UPLOAD_SECONDS} s.")(scope, receive, send)
        finally:
            self._under_way[client] -= 1
            self._under_way += Counter()  # drops the clients that have none

    async def _pass_on(self, client: str, scope: Scope, receive: Receive, send: Send) -> None:
        size = status = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._app(scope, counted, noted)
        session, _, file = scope["path"].removeprefix(UPLOADS).partition("/")
        if status != 204:
            return
        self._files.pop((session, file), None)
        if scope["method"] == "PUT":
            self._files[session, file] = _File(client, size)
            self._drop_oldest(session, client)

    def _drop_oldest(self, session: str, client: str) -> None:
        """Keep within the limits; what is kept is the newest."""
        files = [(key, each.client, each.size) for key, each in reversed(self._files.items())]
        of_session = [(key, size) for key, _, size in files if key[0] == session]
        of_client = [(key, size) for key, by, size in files if by == client]
        over = {
            *_beyond(of_session, BYTES_OF_SESSION, FILES_OF_SESSION),
            *_beyond(of_client, BYTES_OF_CLIENT),
            *_beyond([(key, size) for key, _, size in files], BYTES_OF_ALL, FILES_OF_ALL),
        }
        for key in over:
            del self._files[key]
            self._remove(*key)


def _refuse(status: int, why: str) -> Response:
    return PlainTextResponse(why, status, {"Connection": "close"})


def _beyond(files: list[tuple[tuple[str, str], int]], most_bytes: int, most: int = 10**9) -> list[tuple[str, str]]:
    """The keys of the files, newest first, that come after `most` of them or `most_bytes`."""
    held, over = 0, []
    for place, (key, size) in enumerate(files):
        held += size
        if place and (place >= most or held > most_bytes):
            over.append(key)
    return over
