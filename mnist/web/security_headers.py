"""HTTP headers with which browsers restrict what a page may do; set here, so that they need no proxy."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    # Streamlit and Swagger UI need inline scripts and styles; Vega charts compile expressions (unsafe-eval).
    "Content-Security-Policy": "default-src 'self' blob: data:; script-src 'self' blob: 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
}
# The others say what a page may do; a page has eighty of these files, and 0.5 kB each would be 40 kB of a first visit.
PARTS = ("application/javascript", "text/javascript", "text/css", "font/")


class SecurityHeaders:
    """ASGI middleware that adds HEADERS to every response, except those that it already has.

    Scripts, styles and fonts get X-Content-Type-Options only, with which a browser never takes them for a page. Over
    https every cookie, Streamlit's own among them, is marked as not to be sent without.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_part = headers.get("content-type", "").startswith(PARTS)
                for name, value in HEADERS.items():
                    if not is_part or name == "X-Content-Type-Options":
                        headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    _secure_cookies(headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _secure_cookies(headers: MutableHeaders) -> None:
    cookies = headers.getlist("set-cookie")
    del headers["set-cookie"]
    for cookie in cookies:
        is_secure = "; secure" in cookie.lower()
        headers.append("set-cookie", cookie if is_secure else f"{cookie}; Secure")
