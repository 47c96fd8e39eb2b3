"""The visitor cookie: a random value by which visitors find their own drawings again, and only those."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mnist.web.client_address import network_of

COOKIE = "visitor"
# Over https: browsers accept the prefix __Host- only from this very host, so no sibling domain can plant a cookie that
# it knows and then look at what the visitor draws.
HTTPS_COOKIE = "__Host-visitor"
KEPT_SECONDS = 365 * 24 * 3600  # one year
_VALID = re.compile(r"[0-9a-f]{32}")


class VisitorCookie:
    """ASGI middleware that gives every visitor a cookie of 128 random bits, hidden from scripts and other sites.

    A returning visitor gets the same cookie again, which renews its lifetime of a year.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_page(scope):
            await self._app(scope, receive, send)
            return
        name, secure = (HTTPS_COOKIE, "; Secure") if scope["scheme"] == "https" else (COOKIE, "")
        value = _valid_cookie(Headers(scope=scope), name) or secrets.token_hex(16)
        cookie = f"{name}={value}; Path=/; Max-Age={KEPT_SECONDS}; HttpOnly; SameSite=Lax{secure}"

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def session_of(cookies: Mapping[str, str]) -> str | None:
    """The session id under which a visitor's drawings are stored, 32 hex digits; None without a valid cookie.

    It is a digest of the cookie, so that someone who reads the database can't impersonate the visitor.
    """
    cookie = cookies.get(HTTPS_COOKIE) or cookies.get(COOKIE)
    if cookie is None or not _VALID.fullmatch(cookie):
        return None
    return hashlib.sha256(cookie.encode()).hexdigest()[:32]


def owner_of(cookies: Mapping[str, str], address: str) -> str:
    """The visitor and their network, to which an administrator's sign-in belongs."""
    return f"{session_of(cookies) or 'no cookie'} at {network_of('127.0.0.1' if address == '::1' else address)}"


def _is_page(scope: Scope) -> bool:
    """Whether a browser is opening a page; static files and the API need no cookie."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].startswith("/api"):
        return False
    return "text/html" in Headers(scope=scope).get("accept", "")


def _valid_cookie(headers: Headers, name: str) -> str | None:
    # Not http.cookies, which stops parsing at the first malformed cookie, also at that of another application.
    value = cookie_parser(headers.get("cookie", "")).get(name, "")
    return value if _VALID.fullmatch(value) else None
