"""Where the API and the health checks hang beside the page; the API is made when somebody first asks for it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from mnist.api.health import health_routes
from mnist.metrics import Metrics
from mnist.recognition.recogniser import Recogniser
from mnist.settings import Settings
from mnist.store.administration import Administration
from mnist.web.sign_in import SignIn


def make_routes(
    recogniser: Callable[[], Recogniser],
    settings: Settings,
    metrics: Metrics,
    administration: Callable[[], Administration],
    sign_in: Callable[[], SignIn],
) -> list[BaseRoute]:
    """All that answers beside the page.

    recogniser: may raise UnusableWeights or FileNotFoundError as long as there is no network; the API answers 503 then.
    """

    def make() -> ASGIApp:
        from mnist.api.application import make_api  # FastAPI and pydantic: no page waits for them

        return make_api(recogniser, settings, metrics, administration, sign_in)

    return [Mount("/api", MadeAtFirstRequest(make)), *health_routes(recogniser, metrics)]


class MadeAtFirstRequest:
    """ASGI: another application, which takes a while to make and may never be asked for."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._made: ASGIApp | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._made is None:
            async with self._making:
                if self._made is None:
                    self._made = await asyncio.to_thread(self._make)
                    gc.freeze()  # what it is made of never goes, so that no collection need look at it
        await self._made(scope, receive, send)
