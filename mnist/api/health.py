"""What a server's keepers ask: is the process alive, is it ready, what has it counted."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio.to_thread
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnist.drawing import StorageUnavailable
from mnist.metrics import Metrics
from mnist.model.weights_file import UnusableWeights
from mnist.recognition.recogniser import Recogniser

AT_ONCE = 2  # threads of each question
REMEMBERED_SECONDS = 1.0  # an answer about readiness


def health_routes(recogniser: Callable[[], Recogniser], metrics: Metrics) -> list[Route]:
    """Both ask the database, which may block: on threads of their own, or a flood of them takes those of the page."""
    readiness = Readiness(recogniser)
    asking, counting = anyio.CapacityLimiter(AT_ONCE), anyio.CapacityLimiter(AT_ONCE)

    async def alive(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> Response:
        why = await anyio.to_thread.run_sync(readiness.why_not, limiter=asking)
        if why is not None:
            return JSONResponse({"error": f"Not ready: {why}"}, 503)
        return JSONResponse({"status": "ready", "model_version": recogniser().model.version})

    async def show_metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        text = await anyio.to_thread.run_sync(encode, metrics.registry, limiter=counting)
        return Response(text, headers={"Content-Type": content_type})

    return [Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", show_metrics)]


class Readiness:
    """Whether there are a network and a database; asked often, it remembers the answer for a moment."""

    def __init__(self, recogniser: Callable[[], Recogniser]) -> None:
        self._recogniser = recogniser
        self._answer: tuple[float, str | None] = -float("inf"), None  # when, and what; both change at once

    def why_not(self) -> str | None:
        """None: ready."""
        asked_at, why = self._answer
        if time.monotonic() > asked_at + REMEMBERED_SECONDS:
            why = self._ask()
            self._answer = time.monotonic(), why
        return why

    def _ask(self) -> str | None:
        try:
            self._recogniser().repository.check()
        except (StorageUnavailable, UnusableWeights) as error:
            return str(error)
        except FileNotFoundError:  # its path is nobody's business
            return "there is no model file"
        except OSError as error:
            return f"the model file can't be read ({error.strerror})"
        return None
