"""Small encoded pictures for tests: a drawn 7 and a blank one."""

from __future__ import annotations

import base64
import io

import cv2
import numpy as np
from PIL import Image


def seven(size: int = 120, *, paper: int = 0, ink: int = 255, format: str = "PNG") -> bytes:
    """A drawn 7, `size` pixels wide and high, as an encoded picture. paper, ink: grey levels 0..255."""
    pixels = np.full((size, size), paper, np.uint8)
    points = (np.array([[0.3, 0.2], [0.7, 0.2], [0.45, 0.8]]) * size).astype(int)
    cv2.polylines(pixels, [points], False, ink, max(2, size // 14), cv2.LINE_AA)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=format)
    return buffer.getvalue()


def blank() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (60, 60)).save(buffer, format="PNG")
    return buffer.getvalue()


def as_base64(picture: bytes) -> str:
    return base64.b64encode(picture).decode()
