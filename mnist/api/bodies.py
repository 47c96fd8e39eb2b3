"""Parses request bodies into pictures and labels."""

from __future__ import annotations

import base64
import binascii
import codecs
import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote

from fastapi import HTTPException
from PIL import Image
from pydantic import BaseModel, ValidationError
from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field as FormField
from python_multipart.multipart import File as FormFile
from python_multipart.multipart import parse_options_header

from mnist.api.schemas import MAX_BATCH, BatchBody, LabelledPictureBody, PictureBody
from mnist.drawing import BadLabel
from mnist.vision import picture_formats
from mnist.vision.image_files import ImageTooLarge, NotAnImage

MULTIPART = "multipart/form-data"
JSON = "application/json"
MAX_PARTS = 16  # of a form: the file, the label, and any other fields that a web page adds
MAX_JSON_PARTS = 4_000  # commas and opening brackets in a body; a batch of 256 data URLs in objects has 770
MAX_LABEL = 100  # bytes of the form field
ENVELOPE = 64 * 2**10  # bytes that JSON or multipart may add to the picture itself
FEWER_PICTURES = f"Send at most {MAX_BATCH} pictures at once, and more in several requests."
URL_SAFE = str.maketrans("-_", "+/")  # RFC 4648, section 5
BASE64_TEXT = re.compile(rb"(data:|[\w+/=%\s-]++\Z)", re.IGNORECASE | re.ASCII)  # no picture file is of these bytes
Body = TypeVar("Body", bound=BaseModel)


def base64_length(size: int) -> int:
    """Number of base64 characters that encode `size` bytes."""
    return -(-size // 3) * 4


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture and the label that a client sent with it."""

    picture: bytes  # the encoded image file
    label: int | str | None  # not validated yet; see mnist.drawing.parse_label


def media_type(content_type: str | None) -> str:
    """The media type without parameters, in lower case; empty if there is none."""
    return (content_type or "").split(";")[0].strip().lower()


def read_picture(content_type: str | None, body: bytes) -> bytes:
    """The encoded image file in a raw, multipart or JSON body.

    Raises HTTPException 415 or 422, and NotAnImage when a JSON body's picture is not valid base64.
    """
    kind = media_type(content_type)
    if kind in picture_formats.media_types():
        return body
    if kind == MULTIPART:
        return _read_form(content_type, body).picture
    if kind == JSON:
        return decode_base64(read_json(PictureBody, body).image)
    raise unsupported(content_type, (*picture_formats.media_types(), MULTIPART, JSON))


def read_labelled(content_type: str | None, body: bytes) -> LabelledPicture:
    """The picture and label in a multipart or JSON body. Raises what `read_picture` raises, and BadLabel."""
    kind = media_type(content_type)
    if kind == MULTIPART:
        return _read_form(content_type, body, with_label=True)
    if kind == JSON:
        sent = read_json(LabelledPictureBody, body)
        return LabelledPicture(decode_base64(sent.image), check_label(sent.label))
    raise unsupported(content_type, (MULTIPART, JSON))


def read_batch(content_type: str | None, body: bytes, *, max_pixels: int) -> list[bytes]:
    """The encoded image files of a batch, in order; max_pixels limits their sum.

    Raises HTTPException 415 or 422, NotAnImage when a picture is not valid base64, and ImageTooLarge.
    """
    if media_type(content_type) != JSON:
        raise unsupported(content_type, (JSON,))
    pictures = []
    for place, sent in enumerate(read_json(BatchBody, body).images):
        try:
            pictures.append(decode_base64(sent if isinstance(sent, str) else sent.image))
        except NotAnImage as bad:
            raise NotAnImage(f"images[{place}]: {bad}") from bad
    if sum(map(count_pixels, pictures)) > max_pixels:
        raise ImageTooLarge(
            f"The pictures have more than {max_pixels / 1e6:.0f} million pixels in all. Send fewer, or smaller ones."
        )
    return pictures


def unsupported(content_type: str | None, accepted: Sequence[str]) -> HTTPException:
    """The 415 error that lists the accepted media types."""
    kind = media_type(content_type)
    sent = f"The Content-Type is {kind[:80]!r}" if kind else "There is no Content-Type"
    return HTTPException(415, f"{sent}; send {', '.join(accepted)}.")


def read_json(shape: type[Body], body: bytes) -> Body:
    """The body as a model of this shape. Raises HTTPException 422 that names the first invalid field."""
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_JSON_PARTS:  # counted before parsing, which would take a gigabyte
        raise HTTPException(422, f"The JSON has far too many parts. {FEWER_PICTURES}")
    try:
        return shape.model_validate_json(body.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "too_long":  # only a batch has a maximum length
            raise HTTPException(422, f"There are too many images. {FEWER_PICTURES}") from error
        where = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
        raise HTTPException(422, f"{where}: {first['msg']}" if where else first["msg"]) from error


def check_label(label: object) -> int | str | None:
    """Check a JSON label's type: a number for 0–9, a string for several digits, or null. Raises BadLabel."""
    if label is None or (isinstance(label, int) and not isinstance(label, bool)):
        return label
    if isinstance(label, str) and len(label) > 1:
        return label
    raise BadLabel("The label must be a digit from 0 to 9 (a number, without quotes), or null for “not a digit”.")


def decode_base64(text: str) -> bytes:
    """Decode base64 or a data URL, such as an HTML canvas produces. Raises NotAnImage.

    The URL-safe alphabet, missing padding, percent signs for characters (RFC 2397) and white space are taken, too.
    """
    text = "".join(text.split())
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise NotAnImage("The data URL must be data:image/png;base64,… with the picture after the comma.")
    if "%" in text:
        text = unquote(text, errors="replace")
    text = text.translate(URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotAnImage("The picture is not valid base64. Encode the file's bytes in base64.") from error


def _read_form(content_type: str | None, body: bytes, *, with_label: bool = False) -> LabelledPicture:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise HTTPException(422, "The multipart body has no boundary in its Content-Type.")
    files: list[FormFile] = []
    fields: list[FormField] = []
    config = {"MAX_MEMORY_FILE_SIZE": float("inf")}  # the body is in memory already, so never spool it to disk

    def append_to(parts: list[Any]) -> Callable[[Any], None]:
        def append(part: Any) -> None:
            if len(parts) == MAX_PARTS:
                raise FormParserError("too many parts")
            parts.append(part)

        return append

    try:
        parser = FormParser(MULTIPART, append_to(fields), append_to(files), boundary=boundary, config=config)
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise HTTPException(422, "The multipart body is damaged. Let your HTTP library write it.") from error
    pictures = [_content(each) for each in files if each.field_name == b"file"]
    # Some clients send the picture as a part without a file name, which the parser takes for a text field.
    pictures += [each.value or b"" for each in fields if each.field_name == b"file"]
    if len(pictures) != 1:
        raise HTTPException(422, f"The form has {len(pictures)} fields named file; send the picture in exactly one.")
    if pictures[0] and BASE64_TEXT.match(pictures[0]):
        pictures = [decode_base64(pictures[0].decode("ascii", "replace"))]
    if not with_label:
        return LabelledPicture(pictures[0], None)
    labels = [each.value or b"" for each in fields if each.field_name == b"label"]
    if len(labels) != 1:
        raise HTTPException(422, f"The form has {len(labels)} fields named label; send exactly one, 0–9 or null.")
    if len(labels[0]) > MAX_LABEL:
        raise BadLabel("The label is far too long; it must be a digit from 0 to 9, or null for “not a digit”.")
    text = labels[0].decode("utf-8", "replace").strip()
    return LabelledPicture(pictures[0], None if text == "null" else text)


def _content(file: FormFile) -> bytes:
    stream = file.file_object
    stream.seek(0)
    return stream.read()


def count_pixels(data: bytes) -> int:
    """Width × height according to the header; 0 if the data is no picture, which decoding will report."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=picture_formats.pillow_names()) as image:
                return image.width * image.height
    except Exception:  # Pillow raises a dozen exception types for damaged files
        return 0
