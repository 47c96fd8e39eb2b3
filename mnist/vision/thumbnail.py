"""Smaller copies of stored pictures, for pages that show them."""

from __future__ import annotations

import io

from PIL import Image

from mnist.vision.image_files import NotAnImage

QUALITIES = (80, 50, 20, 0)  # of WebP, tried in turn until the copy is small enough; a photo passes with the first


def thumbnail(picture: bytes, side: int, max_bytes: int) -> bytes:
    """Return an encoded picture whose longer side is at most `side` pixels, in at most `max_bytes`.

    A picture that is small enough comes back as it is. Others become WebP, a tenth of a photo's PNG; what noise makes
    too large even at the lowest quality gets fewer pixels.
    Raises NotAnImage when Pillow can't read it, as a picture of a database that was taken over.
    """
    try:
        with Image.open(io.BytesIO(picture)) as image:
            if max(image.size) <= side and len(picture) <= max_bytes:
                return picture
            image.thumbnail((side, side), Image.Resampling.BOX)
            small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, ValueError, EOFError …
        raise NotAnImage("The stored picture can't be shown.") from error
    while True:
        for quality in QUALITIES:
            if len(made := _as_webp(small, quality)) <= max_bytes:
                return made
        small = small.reduce(2)


def _as_webp(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=quality, method=2)
    return buffer.getvalue()
