"""Untrusted image files → pixels, within limits of bytes and pixels that are checked before anything is decoded."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = 10 * 2**20
MAX_PIXELS = 40_000_000  # a 40 megapixel photo; 160 MB while an RGBA one is decoded
MAX_ASPECT = 50  # longer side / shorter side; beyond it nothing of a digit is left after scaling
WORKING_SIDE = 1024  # longer side after decoding: more detail never reaches a 20 × 20 box


class BadImage(ValueError):
    """The bytes can't be used as a picture; the message says why and what to send instead."""


class NotAnImage(BadImage):
    """Not a PNG, JPEG or WebP file, or a damaged one."""


class ImageTooLarge(BadImage):
    """More bytes or pixels than the limits allow."""


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Read an encoded picture: PNG, JPEG or WebP, any colour mode or depth, turned upright by its EXIF tag.

    Returns (H, W, 4) uint8 RGBA, the longer side at most WORKING_SIDE (area-averaged down when it was larger).
    Raises NotAnImage or ImageTooLarge; size and pixel count are read from the header, before decoding.
    """
    if len(data) > max_bytes:
        raise ImageTooLarge(
            f"The file has {len(data) / 2**20:.1f} MB; the limit is {max_bytes / 2**20:.0f} MB. Send a smaller picture."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning: our limit below is the stricter one
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_size(image, max_pixels)
                # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, so that a phone's photo costs little.
                image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))
                image.load()
                return _to_rgba(_shrink(image))
    except BadImage:
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLarge("The picture has too many pixels. Send a smaller one.") from error
    except Image.UnidentifiedImageError as error:
        raise NotAnImage("This is not a PNG, JPEG or WebP picture. Save it as one of these and try again.") from error
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, ValueError, EOFError …
        raise NotAnImage("The picture is damaged or incomplete. Save it again and send it once more.") from error


def encode_png(pixels: np.ndarray) -> bytes:
    """Write (H, W), (H, W, 3) or (H, W, 4) uint8 pixels as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"The picture has {width} × {height} pixels; the limit is {max_pixels / 1e6:.0f} million. Send a smaller one."
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageTooLarge(f"The picture is {width} × {height} pixels, too long and thin. Crop it to the digit.")
    if getattr(image, "n_frames", 1) > 1:
        raise NotAnImage("The picture is animated. Send a still picture.")


def _shrink(image: Image.Image) -> Image.Image:
    # reduce() averages whole blocks before any conversion makes the pixels bigger; palettes can't be averaged.
    if image.mode == "P" or image.mode == "1":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    factor = max(image.size) // WORKING_SIDE
    if factor > 1 and not image.mode.startswith("I;16"):
        image = image.reduce(factor)
    return image


def _to_rgba(image: Image.Image) -> np.ndarray:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":  # 16-bit grey: Pillow would clip it, not scale it
        grey = np.asarray(image, dtype=np.float64)
        image = Image.fromarray(np.clip(grey / 257.0, 0, 255).astype(np.uint8))
    image = image.convert("RGBA")
    if max(image.size) > WORKING_SIDE:
        image.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    return np.asarray(image)
