"""Assembles the API: routes, middleware, OpenAPI document, and the response for each kind of error."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import anyio
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

import mnist
from mnist.api.request_log import RequestLog, write_requests
from mnist.api.routes import router
from mnist.api.schemas import BatchBody, LabelBody, LabelledPictureBody, PictureBody
from mnist.api.security import AccessControl, Storing
from mnist.api.uploads import Uploads
from mnist.drawing import AlreadyProcessed, BadLabel, StorageUnavailable, UnknownPrediction
from mnist.metrics import Metrics
from mnist.model.weights_file import UnusableWeights
from mnist.recognition.recogniser import Recogniser
from mnist.settings import Settings
from mnist.store.administration import Administration
from mnist.vision.image_files import BadImage, ImageTooLarge
from mnist.vision.ink import BlankDrawing
from mnist.web.rate_limit import Budget
from mnist.web.sign_in import SignIn

log = logging.getLogger(__name__)

WORKERS = 8  # threads: the network and the GIL admit one at a time, the others decode or wait for the disk
RETRY_SECONDS = 5  # Retry-After while the database or the network is unavailable

STATUS: dict[type[Exception], int] = {
    BadImage: 400,
    BlankDrawing: 400,
    BadLabel: 400,
    UnknownPrediction: 404,
    AlreadyProcessed: 409,
    ImageTooLarge: 413,
    StorageUnavailable: 503,
    UnusableWeights: 503,
    FileNotFoundError: 503,  # there is no weights file
}

_ADVICE = {  # Starlette's own message → ours
    "Not Found": "There is nothing at this address; /api/docs lists what there is.",
    "Method Not Allowed": "Method not allowed here; see /api/docs.",
}

DESCRIPTION = """Reads handwritten digits, and takes corrections to learn from.

Every error is `{"error": "<what is wrong and how to mend it>"}`. Where the server has an `API_KEY`, send it
as `Authorization: Bearer <key>` or `X-API-Key: <key>`; then `X-Session-Id` (up to 64 characters) tells your users
apart."""


def make_api(
    recogniser: Callable[[], Recogniser],
    settings: Settings,
    metrics: Metrics,
    administration: Callable[[], Administration],
    sign_in: Callable[[], SignIn],
    storing: Callable[[], Budget] = Budget,
) -> FastAPI:
    """The ASGI application that is mounted under /api.

    The callables are called for each request, so that the API can be made before the objects that they return.
    """
    write_requests(settings.request_log)
    api = FastAPIOffline(
        redoc_url=None,
        title="Draw a digit",
        version=mnist.__version__,
        description=DESCRIPTION,
        # Otherwise Swagger UI sends the document's address to validator.swagger.io.
        swagger_ui_parameters={"validatorUrl": None},
        separate_input_output_schemas=False,
    )
    api.state.recogniser = recogniser
    api.state.administration = administration
    api.state.sign_in = sign_in
    api.state.settings = settings
    api.state.access = AccessControl(settings.api_key, settings.rate_limit)
    api.state.storing = Storing(storing)
    api.state.uploads = Uploads(settings.upload_seconds)
    api.state.workers = anyio.CapacityLimiter(WORKERS)
    api.include_router(router)
    api.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],  # traces add headers of their own
        expose_headers=["Retry-After"],
    )
    api.add_middleware(RequestLog, metrics=metrics)
    for expected, status in STATUS.items():
        api.add_exception_handler(expected, _error_handler(status))
    api.add_exception_handler(StarletteHTTPException, _handle_http)
    api.add_exception_handler(RequestValidationError, _handle_validation)
    api.add_exception_handler(ClientDisconnect, _handle_disconnect)
    api.add_exception_handler(Exception, _handle_unexpected)
    api.openapi = _with_request_bodies(api.openapi)  # type: ignore[method-assign]
    return api


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": message}, status, headers)


def _error_handler(status: int) -> Callable[[Request, Exception], Response]:
    def handle(_request: Request, error: Exception) -> Response:
        if isinstance(error, FileNotFoundError):  # its message holds a path of the server
            return _error(status, "No model is loaded yet. Try again later.", {"Retry-After": str(RETRY_SECONDS)})
        return _error(status, str(error), {"Retry-After": str(RETRY_SECONDS)} if status == 503 else None)

    return handle


def _handle_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    message = _ADVICE.get(str(error.detail), str(error.detail))
    return _error(error.status_code, message, dict(error.headers) if error.headers else None)


def _handle_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return _error(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


def _handle_disconnect(_request: Request, _error_: Exception) -> Response:
    return Response(status_code=400)  # nobody receives it: the client hung up during its upload


def _handle_unexpected(_request: Request, _error_: Exception) -> Response:
    # The traceback goes to the server's log only.
    return _error(500, "Internal server error. It has been logged; try again later.")


def _with_request_bodies(make_document: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Add the schemas of request bodies to the document: FastAPI can't know them, because routes parse the bodies."""

    def document() -> dict[str, Any]:
        made = make_document()
        schemas = made["components"]["schemas"]
        for shape in (PictureBody, LabelledPictureBody, BatchBody, LabelBody):
            described = shape.model_json_schema(ref_template="#/components/schemas/{model}")
            described.pop("$defs", None)
            schemas.setdefault(shape.__name__, described)
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        return made

    return document
