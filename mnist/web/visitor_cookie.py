"""Who is drawing: a random cookie, so that a visitor finds their own drawings again and nobody else's."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "visitor"
# Over https: browsers take this name from this very host alone, so that no neighbouring site can plant a cookie with it
# and look at what the visitor then draws.
HTTPS_COOKIE = "__Host-visitor"
KEPT_SECONDS = 365 * 24 * 3600
_VALID = re.compile(r"[0-9a-f]{32}")


class VisitorCookie:
    """Gives every visitor of the page a cookie: 128 random bits, out of reach of scripts and of other sites.

    Whoever comes back gets it again, so that its year begins anew.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _is_page(scope):
            await self._app(scope, receive, send)
            return
        name, secure = (HTTPS_COOKIE, "; Secure") if scope["scheme"] == "https" else (COOKIE, "")
        value = _cookie(Headers(scope=scope), name) or secrets.token_hex(16)
        cookie = f"{name}={value}; Path=/; Max-Age={KEPT_SECONDS}; HttpOnly; SameSite=Lax{secure}"

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def session_of(cookies: Mapping[str, str]) -> str | None:
    """The name under which a visitor's drawings are stored; None without a cookie of ours.

    A digest, so that whoever reads the database can't pass for the visitor.
    """
    cookie = cookies.get(HTTPS_COOKIE) or cookies.get(COOKIE)
    if cookie is None or not _VALID.fullmatch(cookie):
        return None
    return hashlib.sha256(cookie.encode()).hexdigest()[:32]


def _is_page(scope: Scope) -> bool:
    """Whether a browser opens one of the application's pages; its files and our API need no cookie."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].startswith("/api"):
        return False
    return "text/html" in Headers(scope=scope).get("accept", "")


def _cookie(headers: Headers, name: str) -> str | None:
    # Not http.cookies, which gives up at the first cookie of another program that it does not understand.
    found = cookie_parser(headers.get("cookie", "")).get(name, "")
    return found if _VALID.fullmatch(found) else None
