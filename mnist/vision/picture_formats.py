"""The picture formats that are read: what Pillow, HTTP and file names call each."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from functools import cache

HEIF_PACKAGE = "pillow_heif"  # requirements-heic.txt
HEIF_BRANDS = frozenset((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"))


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """One kind of picture file."""

    pillow: str  # Pillow's name for it
    name: str  # as a person says it
    media_types: tuple[str, ...]  # the registered one first
    suffixes: tuple[str, ...]  # without the dot
    bytes_per_pixel: int  # what the decoder holds for each pixel of the file (docs/preprocessing.md)


ALWAYS = (
    PictureFormat("PNG", "PNG", ("image/png",), ("png",), 4),
    PictureFormat("JPEG", "JPEG", ("image/jpeg", "image/jpg", "image/pjpeg"), ("jpg", "jpeg", "jfif"), 1),
    # libwebp's canvas, its copy for the next frame, Pillow's copy of it, and the picture
    PictureFormat("WEBP", "WebP", ("image/webp",), ("webp",), 16),
    PictureFormat("AVIF", "AVIF", ("image/avif",), ("avif",), 16),
    PictureFormat("GIF", "GIF", ("image/gif",), ("gif",), 8),
    PictureFormat("BMP", "BMP", ("image/bmp", "image/x-ms-bmp"), ("bmp",), 4),
)
HEIF = PictureFormat("HEIF", "HEIC", ("image/heic", "image/heif"), ("heic", "heif"), 16)


@cache
def readable() -> tuple[PictureFormat, ...]:
    """What this installation reads; the HEIC of phones only where its package is installed."""
    if importlib.util.find_spec(HEIF_PACKAGE) is None:
        return ALWAYS
    importlib.import_module(HEIF_PACKAGE).register_heif_opener()
    return (*ALWAYS, HEIF)


def pillow_names() -> list[str]:
    """For `Image.open(formats=…)`."""
    return [each.pillow for each in readable()]


def names() -> str:
    """For a sentence: "PNG, JPEG, WebP, AVIF, GIF or BMP"."""
    *most, last = (each.name for each in readable())
    return f"{', '.join(most)} or {last}"


def media_types() -> tuple[str, ...]:
    """Every Content-Type that a picture may be sent with."""
    return tuple(kind for each in readable() for kind in each.media_types)


def is_unreadable_heif(data: bytes) -> bool:
    """Whether a file is a phone's HEIC that this installation can't read."""
    return HEIF not in readable() and data[4:8] == b"ftyp" and data[8:12] in HEIF_BRANDS
