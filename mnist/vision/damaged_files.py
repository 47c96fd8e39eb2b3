"""Pictures that are slightly damaged, mended as far as a browser would go."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
END_OF_JPEG = b"\xff\xd9"
START_OF_SCAN = b"\xff\xda"
SCANS = 4  # of a progressive JPEG: after so many only the finest detail is missing
COMPLETE = 0.9  # of the rows of a JPEG must be there: what is cut off further up may be part of a digit


def mended(data: bytes) -> bytes | None:
    """The same picture without the damage, or None where there is none that this can mend.

    A PNG loses chunks beside the picture itself whose checksum is wrong; a JPEG gets the end that it lacks.
    """
    if data.startswith(PNG_SIGNATURE):
        return _without_broken_chunks(data)
    if data.startswith(b"\xff\xd8\xff") and not data.endswith(END_OF_JPEG):
        return data + END_OF_JPEG if _is_nearly_complete(data, data + END_OF_JPEG) else None
    return None


def _without_broken_chunks(data: bytes) -> bytes | None:
    kept, place, is_broken = [PNG_SIGNATURE], len(PNG_SIGNATURE), False
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        chunk = data[place : place + 12 + length]
        if len(chunk) < 12 + length:
            break
        is_beside = bool(kind[0] & 0x20)  # a small first letter: the picture is complete without it
        if is_beside and zlib.crc32(chunk[4:-4]) != struct.unpack(">I", chunk[-4:])[0]:
            is_broken = True
        else:
            kept.append(chunk)
        place += 12 + length
    return b"".join([*kept, data[place:]]) if is_broken else None


def _is_nearly_complete(data: bytes, whole: bytes) -> bool:
    """Whether nearly all of a JPEG's rows are there; whole: the same with an end, so that it decodes."""
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if image.info.get("progressive"):  # every row is there from the first scan on
            return data.count(START_OF_SCAN) >= SCANS
        image.draft("L", (256, 256))
        try:
            image.load()
        except OSError:
            there = np.asarray(Image.Image()._new(image.im))
        else:
            return True
    with Image.open(io.BytesIO(whole), formats=("JPEG",)) as image:
        image.draft("L", (256, 256))
        same = np.asarray(image) == there
    return bool(same.reshape(len(same), -1).all(axis=1).mean() >= COMPLETE)
