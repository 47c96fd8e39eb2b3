"""Turns away what no page of ours sends: other sites' posts, other names' hosts, strangers' looks at metrics."""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from mnist.web.client_address import client_address

METRICS = ("/metrics", "/_stcore/metrics")
SAFE = ("GET", "HEAD", "OPTIONS")  # methods that change nothing
POLICY_VIOLATION = 1008  # WebSocket close code; before the connection is accepted it becomes a 403


class RequestFilter:
    """ASGI middleware.

    Host: of the page's socket and the API; a name elsewhere that points here (DNS rebinding) gets no answer.
    Origin: a page of another site may not have its visitors' browsers post drawings and labels.
    Metrics: for private addresses, or with the token.
    """

    def __init__(
        self, app: ASGIApp, domains: tuple[str, ...], cors_origins: tuple[str, ...], metrics_token: str | None
    ) -> None:
        """domains: this server's host names, "*.example.org" for all below one; (): any. cors_origins: see Settings."""
        self._app = app
        self._domains = domains
        self._origins = cors_origins
        self._token = metrics_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        why = self._why_not(scope) if scope["type"] in ("http", "websocket") else None
        if why is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await JSONResponse({"error": why}, 403)(scope, receive, send)

    def _why_not(self, scope: Scope) -> str | None:
        """Why the request is turned away, and how to mend it; None: it is not."""
        headers = Headers(scope=scope)
        is_socket, path = scope["type"] == "websocket", scope["path"]
        is_api = path.startswith("/api/")
        if (is_socket or is_api) and not _is_ours(headers.get("host", ""), self._domains):
            return "This server has another name. Ask by one of those in its setting DOMAIN."
        if is_api and scope["method"] not in SAFE and self._is_of_another_site(headers):
            return "Pages of other sites may not post here. The server's setting CORS_ORIGINS names those that may."
        if path.rstrip("/") in METRICS and not is_socket and not self._may_see_metrics(scope, headers):
            return "Metrics are for private addresses. Others send Authorization: Bearer <METRICS_TOKEN>."
        return None

    def _is_of_another_site(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None or "*" in self._origins or origin in self._origins:
            return False  # no browser, or one whose page is welcome
        # Behind a proxy that changes the host, browsers still say whether the page is of the same origin.
        is_same = urlsplit(origin).netloc == headers.get("host") or headers.get("sec-fetch-site") == "same-origin"
        return not is_same

    def _may_see_metrics(self, scope: Scope, headers: Headers) -> bool:
        sent = headers.get("authorization", "").removeprefix("Bearer ").encode("latin-1", "replace")
        if self._token and hmac.compare_digest(sent, self._token.encode()):
            return True
        return _is_private(client_address(HTTPConnection(scope)))


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


def _is_ours(host: str, domains: tuple[str, ...]) -> bool:
    """Whether a Host header names this server: a domain of it, or what no public name server can point here."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return not domains
    if not domains or "." not in name or ":" in name:  # within one network, or an IPv6 address
        return True
    is_below = any(each.startswith("*.") and name.endswith(each[1:]) for each in domains)
    return is_below or name in domains or name.replace(".", "").isdecimal()
