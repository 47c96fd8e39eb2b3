"""The picture with a box over each digit that was read, where it is worth showing."""

from __future__ import annotations

from mnist import services
from mnist.drawing import Drawing, Verdict
from mnist.recognition.recogniser import Recognition
from mnist.vision.image_files import BadImage
from mnist.vision.ink import BlankDrawing
from mnist.vision.overlay import lay_boxes


def with_boxes(found: Recognition) -> bytes:
    """The picture with a box over each digit, or the picture itself where none was read."""
    digits = [each.digit for each in found.digits] or [found.prediction.digit]
    if found.prediction.verdict == Verdict.NOT_A_DIGIT or len(found.boxes) != len(digits):
        return found.drawing.image
    is_sure = found.prediction.verdict in (Verdict.DIGIT, Verdict.NUMBER)
    return lay_boxes(found.drawing.image, found.boxes, digits, is_sure=is_sure)


def stored_with_boxes(drawing: Drawing) -> bytes:
    """The same for a stored drawing of several digits, or from a file or camera; its boxes are found anew.

    Without boxes where the network that answers now reads something else than is stored.
    """
    if drawing.source == "canvas" and drawing.predicted_number is None:
        return drawing.image
    try:
        found = services.recogniser().look(drawing)
    except (BadImage, BlankDrawing):
        return drawing.image
    return with_boxes(found) if found.drawing.guess == drawing.guess else drawing.image
