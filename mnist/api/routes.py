"""The routes of the API: each parses the request, calls the use case and formats the response."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any, TypeVar

import anyio.to_thread
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from mnist.api import bodies
from mnist.api.bodies import ENVELOPE, JSON, MULTIPART, base64_length
from mnist.api.request_log import FACTS
from mnist.api.schemas import (
    BatchAnswer,
    BatchBody,
    ErrorAnswer,
    LabelBody,
    LabelledPictureBody,
    ModelAnswer,
    PictureBody,
    PredictionAnswer,
    StoredAnswer,
)
from mnist.api.security import Caller, admit, admit_administrator
from mnist.archive.export import write_archive
from mnist.drawing import Origin
from mnist.recognition.recogniser import Recogniser, Recognition
from mnist.vision import picture_formats
from mnist.vision.ink import BlankDrawing

SOURCE = "api"

Admitted = Annotated[Caller, Depends(admit)]
Answer = TypeVar("Answer")

_PROBLEMS = {
    400: "Not an image, or an invalid label",
    401: "The API key is missing or wrong",
    404: "No such drawing",
    409: "A retraining has already processed this label, or an administrator decided it",
    413: "Over the limit of bytes or pixels",
    415: "Not an accepted Content-Type",
    422: "The body or a header does not have the expected shape",
    429: "Over the rate limit; see Retry-After",
    503: "The database or the network is away",
}


_PROBLEMS_OF_EXPORT = {
    401: "The administrator's password is missing or wrong, or the ticket is too old",
    404: "The server has no ADMIN_PASSWORD, so administration is off",
    422: "The ticket is not text",
    429: "Too many wrong passwords from this address; see Retry-After",
    503: "The database is away",
}


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return _as_responses({status: _PROBLEMS[status] for status in (*statuses, 401, 429, 503)})


def _as_responses(problems: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorAnswer, "description": problem} for status, problem in problems.items()}


def _request_body(
    shape: type[BaseModel] | None = None, *, form: bool = False, raw: bool = False, label: bool = False
) -> Any:
    """The request body in the OpenAPI document: each accepted media type with its schema."""
    content: dict[str, Any] = {}
    binary = {"type": "string", "format": "binary"}
    if raw:
        content |= {each.media_types[0]: {"schema": binary} for each in picture_formats.readable()}
    if form:
        properties: dict[str, Any] = {"file": binary}
        if label:
            properties["label"] = {"type": "string", "pattern": "^([0-9]{1,32}|null)$"}
        schema = {"type": "object", "properties": properties, "required": list(properties)}
        content[MULTIPART] = {"schema": schema}
    if shape is not None:
        content[JSON] = {"schema": {"$ref": f"#/components/schemas/{shape.__name__}"}}
    return {"requestBody": {"required": True, "content": content}}


router = APIRouter(redirect_slashes=False)


@router.post(
    "/predict",
    response_model=PredictionAnswer,
    response_model_exclude_unset=True,
    responses=_errors(400, 413, 415, 422),
    openapi_extra=_request_body(PictureBody, form=True, raw=True),
)
async def predict(request: Request, caller: Admitted) -> Response:
    """Read the digit in one picture: dark on light or light on dark, of any size within the limits."""
    limit = _max_body(request)
    async with request.app.state.uploads.receive(request, limit) as body:

        def work(recogniser: Recogniser) -> PredictionAnswer:
            picture = bodies.read_picture(request.headers.get("content-type"), body)
            _check_budgets(request, caller, [picture])
            try:
                found = recogniser.recognise(picture, _origin(caller))
            except BlankDrawing:
                return PredictionAnswer.of_blank(recogniser.model)
            _count_stored(request, caller, [found])
            return PredictionAnswer.of(found)

        answer = await _in_worker(request, work)
    _add_to_log(request, id=str(answer.id), digit=answer.digit, verdict=answer.verdict)
    return _json(answer)


@router.post(
    "/predict/batch",
    response_model=BatchAnswer,
    response_model_exclude_unset=True,
    responses=_errors(400, 413, 415, 422),
    openapi_extra=_request_body(BatchBody),
)
async def predict_batch(request: Request, caller: Admitted) -> Response:
    """Read up to 256 pictures at once. If any of them can't be used, none is read or stored."""
    state = request.app.state
    limit, remedy = state.settings.max_batch_bytes, "Send fewer or smaller pictures."
    async with state.uploads.receive(request, limit, remedy=remedy) as body:

        def work(recogniser: Recogniser) -> BatchAnswer:
            pictures = bodies.read_batch(
                request.headers.get("content-type"), body, max_pixels=state.settings.max_batch_pixels
            )
            _check_budgets(request, caller, pictures)
            read = recogniser.recognise_batch(pictures, _origin(caller))
            _count_stored(request, caller, read)
            answers = [
                PredictionAnswer.of_blank(recogniser.model) if found is None else PredictionAnswer.of(found)
                for found in read
            ]
            return BatchAnswer.model_construct(predictions=answers)

        with state.storing.one_batch(caller):
            answer = await _in_worker(request, work)
    _add_to_log(request, pictures=len(answer.predictions))
    return _json(answer)


@router.post(
    "/predictions/{drawing_id}/feedback",
    status_code=204,
    responses=_errors(400, 404, 409, 413, 415, 422),
    openapi_extra=_request_body(LabelBody),
)
async def give_feedback(request: Request, drawing_id: str, caller: Admitted) -> Response:
    """Label a stored drawing. A later label replaces it until a retraining has processed it."""
    remedy = 'Send nothing but the label: {"label": 7}.'
    async with request.app.state.uploads.receive(request, ENVELOPE, remedy=remedy) as body:

        def work(recogniser: Recogniser) -> None:
            content_type = request.headers.get("content-type")
            if bodies.media_type(content_type) != JSON:
                raise bodies.unsupported(content_type, (JSON,))
            label = bodies.check_label(bodies.read_json(LabelBody, body).label)
            # Only the API's own drawings: ids of the page's are in shared links, yet only their makers may label them.
            recogniser.correct_by_id(_as_id(drawing_id), label, source=SOURCE)

        await _in_worker(request, work)
    _add_to_log(request, id=drawing_id[:36])
    return Response(status_code=204)


@router.post(
    "/feedback",
    status_code=201,
    response_model=StoredAnswer,
    responses=_errors(400, 413, 415, 422),
    openapi_extra=_request_body(LabelledPictureBody, form=True, label=True),
)
async def store_labelled(request: Request, caller: Admitted) -> Response:
    """Store a labelled picture for the next retraining. A blank picture is refused."""
    limit = _max_body(request)
    async with request.app.state.uploads.receive(request, limit) as body:

        def work(recogniser: Recogniser) -> uuid.UUID:
            sent = bodies.read_labelled(request.headers.get("content-type"), body)
            _check_budgets(request, caller, [sent.picture])
            found = recogniser.recognise_labelled(sent.picture, sent.label, _origin(caller))
            _count_stored(request, caller, [found])
            return found.drawing.id

        drawing_id = await _in_worker(request, work)
    _add_to_log(request, id=str(drawing_id))
    return _json(StoredAnswer(id=drawing_id), status=201)


@router.get("/model", response_model=ModelAnswer, responses=_errors())
async def show_model(request: Request, caller: Admitted) -> Response:
    """The active model version: its metrics, and when and from what it was trained."""
    model = await _in_worker(request, lambda recogniser: recogniser.model)
    return _json(
        ModelAnswer(
            version=model.version,
            trained_at=model.trained_at,
            trained_from=model.trained_from,
            metrics=model.metrics,
        )
    )


@router.get(
    "/export",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}}, **_as_responses(_PROBLEMS_OF_EXPORT)},
)
async def export(request: Request, ticket: str = "") -> Response:
    """All labelled drawings as one zip file. Needs Authorization: Bearer <ADMIN_PASSWORD>, or a ticket."""
    await anyio.to_thread.run_sync(admit_administrator, request, ticket, limiter=request.app.state.workers)
    pieces = write_archive(request.app.state.administration().labelled())
    # Read the first piece before responding, so that an outage can still become a 503.
    first = await anyio.to_thread.run_sync(next, pieces)
    name = f"drawings-{datetime.now(UTC):%Y-%m-%d}.zip"
    return StreamingResponse(
        chain([first], pieces),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _check_budgets(request: Request, caller: Caller, pictures: Sequence[bytes]) -> None:
    """Raise HTTPException 429 where the caller's pictures, pixels or stored bytes are too many."""
    request.app.state.access.charge(caller, [bodies.count_pixels(each) for each in pictures])
    request.app.state.storing.check(caller)


def _count_stored(request: Request, caller: Caller, found: Sequence[Recognition | None]) -> None:
    request.app.state.storing.count(caller, [each.drawing for each in found if each and each.is_stored])


async def _in_worker(request: Request, work: Callable[[Recogniser], Answer]) -> Answer:
    """Run blocking work on the API's own threads, so that it takes none from the page."""
    state = request.app.state
    return await anyio.to_thread.run_sync(lambda: work(state.recogniser()), limiter=state.workers)


def _max_body(request: Request) -> int:
    """Maximum bytes of a body with one picture: the limit for the picture, plus its encoding."""
    picture: int = request.app.state.settings.max_upload_bytes
    kind = bodies.media_type(request.headers.get("content-type"))
    if kind == JSON:
        return base64_length(picture) + ENVELOPE
    return picture + (ENVELOPE if kind == MULTIPART else 0)


def _origin(caller: Caller) -> Origin:
    return Origin(SOURCE, caller.session_id, is_one_person=caller.is_one_person, network=caller.neighbourhood)


def _as_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise HTTPException(404, f"There is no drawing {text[:80]!r}.") from None


def _add_to_log(request: Request, **facts: Any) -> None:
    """Add facts to the request's line in the log."""
    request.scope[FACTS].update(facts)


def _json(answer: BaseModel, status: int = 200) -> Response:
    return Response(answer.model_dump_json(exclude_unset=True), status, media_type=JSON)
