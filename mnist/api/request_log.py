"""Times every API request for the metrics and, with REQUEST_LOG=on, logs it as one JSON line."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mnist.metrics import Metrics
from mnist.web.logs import REQUESTS

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
FACTS = "mnist.facts"  # key in the ASGI scope: what a route adds to its log line
log = logging.getLogger(REQUESTS)


def write_requests(on: bool) -> None:
    """Turn the log of requests on or off; `logs.configure` says where its lines go."""
    log.propagate = False
    log.setLevel(logging.INFO if on else logging.CRITICAL)


class RequestLog:
    """ASGI middleware. It records nothing that identifies the caller: no address, session or key."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        scope[FACTS] = {}
        status = 500  # the response to an unexpected exception, which is sent outside this middleware

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            seconds = time.perf_counter() - started
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = _pattern(scope)
            self._metrics.count_request(method, route, status, seconds)
            if log.isEnabledFor(logging.INFO):
                log.info(_line(scope, method, route, status, seconds))


def _pattern(scope: Scope) -> str:
    """The pattern of the route, "other" if none matched: a path would let clients create any number of series."""
    route = scope.get("route")
    return f"/api{route.path}" if isinstance(route, APIRoute) else "other"


def _line(scope: Scope, method: str, route: str, status: int, seconds: float) -> str:
    facts: dict[str, Any] = scope[FACTS]
    return json.dumps(
        {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
            **facts,
        }
    )
