"""The picture with a thin box and its digit over each digit that was read, where it is worth showing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mnist import services
from mnist.drawing import Drawing, Verdict
from mnist.recognition.recogniser import Recognition
from mnist.ui.gallery import data_url
from mnist.vision.image_files import BadImage
from mnist.vision.ink import BlankDrawing
from mnist.vision.prepare import Box
from mnist.vision.thumbnail import thumbnail

SIDE = 640  # px: the longer side of the picture that is shown
MAX_BYTES = 200_000  # of that picture: a photo's has 30,000 to 60,000
AT_TOP = 0.08  # share of the picture's height: a box that begins above has its digit within it


def with_boxes(found: Recognition, *, alt: str) -> str:
    """HTML of a picture with what was read; without boxes where no digit was."""
    read = found.drawing.guess or ""
    boxes = found.boxes if len(found.boxes) == len(read) else ()
    is_sure = found.prediction.verdict in (Verdict.DIGIT, Verdict.NUMBER)
    return boxed(found.drawing.image, boxes, read if boxes else "", alt=alt, is_sure=is_sure)


def stored_with_boxes(drawing: Drawing, *, alt: str) -> str:
    """The same for a stored drawing of several digits, or from a file or camera; its boxes are found anew.

    Without boxes where the network that answers now reads something else than is stored.
    """
    if drawing.source != "canvas" or drawing.predicted_number is not None:
        try:
            found = services.recogniser().look(drawing)
        except (BadImage, BlankDrawing):
            pass
        else:
            if found.drawing.guess == drawing.guess:
                return with_boxes(found, alt=alt)
    return boxed(drawing.image, (), "", alt=alt)


def boxed(picture: bytes, boxes: Sequence[Box], digits: str, *, alt: str, is_sure: bool = True) -> str:
    """HTML of an encoded picture with its boxes; one of `digits` for each, in the same order.

    The boxes are for the eye: what they say stands in `alt` and in the answer.
    """
    frames = "".join(_frame(box, digit) for box, digit in zip(boxes, digits, strict=True))
    asked = "" if is_sure else " asked"
    try:
        source = f' src="{data_url(thumbnail(picture, SIDE, MAX_BYTES))}"'
    except BadImage:  # a picture of a database that was taken over, say
        source = ""
    return f'<div class="boxed{asked}"><img alt="{escape(alt)}"{source}>{frames}</div>'


def _frame(box: Box, digit: str) -> str:
    left, top, width, height = (f"{100 * share:.2f}%" for share in box)
    inside = ' class="inside"' if box[1] < AT_TOP else ""
    place = f"left:{left};top:{top};width:{width};height:{height}"
    return f'<i aria-hidden="true"{inside} style="{place}"><b>{digit}</b></i>'
