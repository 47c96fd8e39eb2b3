"""What a server's keepers ask: is the process alive, is it ready, what has it counted."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mnist.classifier import UnusableWeights
from mnist.metrics import Metrics
from mnist.recognition import Recogniser
from mnist.repository import StorageUnavailable


def health_routes(recogniser: Callable[[], Recogniser], metrics: Metrics) -> list[Route]:
    """Plain functions, so that they run on worker threads: asking a database may block."""

    async def alive(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def ready(_request: Request) -> Response:
        try:
            recogniser().check()
        except (StorageUnavailable, UnusableWeights, OSError) as error:
            return JSONResponse({"error": f"Not ready: {error}"}, 503)
        return JSONResponse({"status": "ready", "model_version": recogniser().model.version})

    def show_metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics.registry), headers={"Content-Type": content_type})

    return [Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", show_metrics)]
