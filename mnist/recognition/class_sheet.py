"""A filled-in class sheet → a labelled drawing for each box."""

from __future__ import annotations

from dataclasses import replace

from mnist.drawing import Drawing, Origin
from mnist.recognition.recogniser import Recogniser
from mnist.vision.class_sheet import read_sheet
from mnist.vision.image_files import encode_png

SIDE = 2048  # pixels, the longer side of a photo of a hundred boxes


def recognise_sheet(recogniser: Recogniser, data: bytes, origin: Origin) -> list[Drawing] | None:
    """Read what people wrote into the boxes of a class sheet; each drawing is labelled as its row says.

    Nothing is stored. Returns None when the picture is no such page.
    Raises BadImage when it can't be used.
    """
    cells = read_sheet(recogniser.decode(data, side=SIDE))
    if cells is None:
        return None
    many = replace(origin, is_one_person=False)
    answers = recogniser.recognise_batch([encode_png(cell.picture) for cell in cells], many, keep=False)
    return [
        replace(answer.drawing, true_label=cell.label, labelled_at=answer.drawing.created_at)
        for cell, answer in zip(cells, answers, strict=True)
        if answer is not None
    ]
