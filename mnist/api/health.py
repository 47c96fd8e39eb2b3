"""The routes for operators: liveness (/healthz), readiness (/readyz) and Prometheus metrics (/metrics)."""

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

AT_ONCE = 2  # threads for each of /readyz and /metrics
REMEMBERED_SECONDS = 1.0  # how long a readiness check is cached


def health_routes(recogniser: Callable[[], Recogniser], metrics: Metrics) -> list[Route]:
    """The three routes. Readiness and metrics query the database on threads of their own.

    A flood of them would otherwise use up the threads that serve the page.
    """
    readiness = Readiness(recogniser)
    ready_threads, metrics_threads = anyio.CapacityLimiter(AT_ONCE), anyio.CapacityLimiter(AT_ONCE)

    async def alive(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_request: Request) -> Response:
        reason = await anyio.to_thread.run_sync(readiness.why_not, limiter=ready_threads)
        if reason is not None:
            return JSONResponse({"error": f"Not ready: {reason}"}, 503)
        return JSONResponse({"status": "ready", "model_version": recogniser().model.version})

    async def show_metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        text = await anyio.to_thread.run_sync(encode, metrics.registry, limiter=metrics_threads)
        return Response(text, headers={"Content-Type": content_type})

    return [Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", show_metrics)]


class Readiness:
    """Checks that the network and the database are usable; caches the result for REMEMBERED_SECONDS."""

    def __init__(self, recogniser: Callable[[], Recogniser]) -> None:
        self._recogniser = recogniser
        # The time and the result of the last check, in one attribute so that threads see both change together.
        self._cached: tuple[float, str | None] = -float("inf"), None

    def why_not(self) -> str | None:
        """The reason why the process is not ready; None if it is."""
        checked_at, reason = self._cached
        if time.monotonic() > checked_at + REMEMBERED_SECONDS:
            reason = self._check()
            self._cached = time.monotonic(), reason
        return reason

    def _check(self) -> str | None:
        try:
            self._recogniser().repository.check()
        except (StorageUnavailable, UnusableWeights) as error:
            return str(error)
        except FileNotFoundError:  # its message holds a path of the server
            return "there is no model file"
        except OSError as error:
            return f"the model file can't be read ({error.strerror})"
        return None
