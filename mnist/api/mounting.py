"""Mounts the API and the health routes beside the page; the API is built at its first request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from mnist.api.health import health_routes
from mnist.metrics import Metrics
from mnist.recognition.recogniser import Recogniser
from mnist.settings import Settings
from mnist.store.administration import Administration
from mnist.web.process import resume_collector
from mnist.web.rate_limit import Budget
from mnist.web.sign_in import SignIn


def make_routes(
    recogniser: Callable[[], Recogniser],
    settings: Settings,
    metrics: Metrics,
    administration: Callable[[], Administration],
    sign_in: Callable[[], SignIn],
    storing: Callable[[], Budget] = Budget,
) -> list[BaseRoute]:
    """All routes except the page's.

    recogniser: may raise UnusableWeights or FileNotFoundError while there is no network; the API responds with 503.
    """

    def make() -> ASGIApp:
        from mnist.api.application import make_api  # here: the page need not wait for FastAPI and pydantic

        return make_api(recogniser, settings, metrics, administration, sign_in, storing)

    return [Mount("/api", MadeAtFirstRequest(make)), *health_routes(recogniser, metrics)]


class MadeAtFirstRequest:
    """ASGI application that builds another one, which takes long to import, at its first request."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._app: ASGIApp | None = None
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            async with self._lock:
                if self._app is None:
                    self._app = await asyncio.to_thread(self._make)
                    resume_collector()  # its objects live as long as the process
        path = scope["path"]
        if path.endswith("/") and path != f"{scope.get('root_path', '')}/":
            scope = {**scope, "path": path.rstrip("/")}  # /api/predict/ is /api/predict
        await self._app(scope, receive, send)
