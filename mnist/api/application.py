"""The API as one application: its routes, its documentation, and how its errors look."""

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

from mnist.api.request_log import RequestLog, write_requests
from mnist.api.routes import router
from mnist.api.schemas import BatchBody, LabelBody, LabelledPictureBody, PictureBody
from mnist.api.security import AccessControl
from mnist.api.uploads import Uploads
from mnist.drawing import AlreadyProcessed, BadLabel, StorageUnavailable, UnknownPrediction
from mnist.metrics import Metrics
from mnist.model.weights_file import UnusableWeights
from mnist.recognition.recogniser import Recogniser
from mnist.settings import Settings
from mnist.store.administration import Administration
from mnist.vision.image_files import BadImage, ImageTooLarge
from mnist.vision.ink import BlankDrawing
from mnist.web.sign_in import SignIn

log = logging.getLogger(__name__)

WORKERS = 8  # threads: the network and Python's lock serve one at a time, the rest wait for decoding and disk
RETRY_SECONDS = 5  # for a database that is away

STATUS: dict[type[Exception], int] = {
    BadImage: 400,
    BlankDrawing: 400,
    BadLabel: 400,
    UnknownPrediction: 404,
    AlreadyProcessed: 409,
    ImageTooLarge: 413,
    StorageUnavailable: 503,
    UnusableWeights: 503,
    FileNotFoundError: 503,  # no weights
}

_MENDING = {  # what Starlette says by itself
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
) -> FastAPI:
    """The application under /api."""
    write_requests(settings.request_log)
    api = FastAPIOffline(
        redoc_url=None,
        title="Draw a digit",
        version="1",
        description=DESCRIPTION,
        # Without this Swagger UI asks validator.swagger.io about the document.
        swagger_ui_parameters={"validatorUrl": None},
        separate_input_output_schemas=False,
    )
    api.state.recogniser = recogniser
    api.state.administration = administration
    api.state.sign_in = sign_in
    api.state.settings = settings
    api.state.access = AccessControl(settings.api_key, settings.rate_limit)
    api.state.uploads = Uploads(settings.upload_seconds)
    api.state.workers = anyio.CapacityLimiter(WORKERS)
    api.include_router(router)
    api.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Session-Id"],
        expose_headers=["Retry-After"],
    )
    api.add_middleware(RequestLog, metrics=metrics)
    for expected, status in STATUS.items():
        api.add_exception_handler(expected, _teller(status))
    api.add_exception_handler(StarletteHTTPException, _tell_http)
    api.add_exception_handler(RequestValidationError, _tell_validation)
    api.add_exception_handler(ClientDisconnect, _tell_nobody)
    api.add_exception_handler(Exception, _tell_unexpected)
    api.openapi = _with_request_bodies(api.openapi)  # type: ignore[method-assign]
    return api


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": message}, status, headers)


def _teller(status: int) -> Callable[[Request, Exception], Response]:
    def tell(_request: Request, error: Exception) -> Response:
        if isinstance(error, FileNotFoundError):  # its path is nobody's business
            return _error(status, "No model is loaded yet. Try again later.", {"Retry-After": str(RETRY_SECONDS)})
        return _error(status, str(error), {"Retry-After": str(RETRY_SECONDS)} if status == 503 else None)

    return tell


def _tell_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    message = _MENDING.get(str(error.detail), str(error.detail))
    return _error(error.status_code, message, dict(error.headers) if error.headers else None)


def _tell_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return _error(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


def _tell_nobody(_request: Request, _error_: Exception) -> Response:
    return Response(status_code=400)  # the client hung up in the middle of its upload


def _tell_unexpected(_request: Request, _error_: Exception) -> Response:
    # The server's log gets the traceback; the client gets none of it.
    return _error(500, "Internal server error. It has been logged; try again later.")


def _with_request_bodies(make_document: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Routes read their bodies themselves, so the document has to be told the shapes of these."""

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
