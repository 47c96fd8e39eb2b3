"""Untrusted image files → pixels, within limits of bytes and pixels that are checked before anything is decoded."""

from __future__ import annotations

import io
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from mnist.vision import picture_formats
from mnist.vision.damaged_files import mended

MAX_BYTES = 10 * 2**20
MAX_PIXELS = 40_000_000  # a 40 megapixel photo
MAX_MEMORY = 256 * 2**20  # bytes that a decoder may hold at once; `_bytes_per_pixel` says what each kind takes
TOGETHER = 160 * 2**20  # bytes that all decoders may hold; a picture that needs more is decoded alone
MAX_ASPECT = 50  # longer side / shorter side; beyond it nothing of a digit is left after scaling
MAX_SCANS = 64  # of a progressive JPEG: encoders write about ten, and each costs a pass over all pixels
WORKING_SIDE = 1024  # longer side after decoding: more detail never reaches a 20 × 20 box
STRIP_ROWS = 64  # rows of the result that are made at a time
KEPT_BYTES = 100_000  # of a PNG that is kept as it came
STORED_BYTES = 300_000  # beyond it a PNG is stored as WebP, of the first of these qualities that fits, or smaller
STORED_QUALITIES = (85, 40)
# What a PNG may hold to be kept as it came: the picture, and how its colours are meant. No texts, places or times.
PLAIN_CHUNKS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"IDAT", b"IEND"))


class BadImage(ValueError):
    """The bytes can't be used as a picture; the message says why and what to send instead."""


class NotAnImage(BadImage):
    """Not a picture in one of the formats that are read, or a damaged one."""


class ImageTooLarge(BadImage):
    """More bytes or pixels than the limits allow."""


class _Room:
    """Memory that threads share: whoever finds too little waits until others are done."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def room_for(self, size: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._taken == 0 or self._taken + size <= self._size)
            self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()


_decoding = _Room(TOGETHER)


def decode(
    data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS, side: int = WORKING_SIDE
) -> np.ndarray:
    """Read an encoded picture: any of `picture_formats.readable`, colour mode or depth, turned upright by its EXIF tag.

    What it is its bytes say, not its name. Of a GIF the first frame is read.

    Returns (H, W, 4) uint8 RGBA, the longer side at most `side` (area-averaged down when it was larger).
    Raises NotAnImage or ImageTooLarge; size and pixel count are read from the header, before decoding.
    """
    if len(data) > max_bytes:
        raise ImageTooLarge(
            f"The file has {len(data) / 2**20:.1f} MB; the limit is {max_bytes / 2**20:.0f} MB. Send a smaller picture."
        )
    if picture_formats.is_unreadable_heif(data):
        raise NotAnImage(
            "This is a HEIC photo, which is not read here. Send it as a JPEG: on an iPhone choose Settings › Camera › "
            "Formats › Most Compatible, or share the photo by mail, which converts it."
        )
    try:
        return _decode(data, max_pixels, side)
    except NotAnImage as error:
        try:
            whole = mended(data)
        except Exception:  # nothing of it is readable
            raise error from None
        if whole is None:
            raise
        return _decode(whole, max_pixels, side)


def _decode(data: bytes, max_pixels: int, side: int) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning: our limit below is the stricter one
            with Image.open(io.BytesIO(data), formats=picture_formats.pillow_names()) as image:
                _check_size(image, max_pixels)
                _check_still(image, data)
                size = image.width * image.height * _bytes_per_pixel(image) + _bytes_to_shrink(image, side)
                with _decoding.room_for(size):
                    # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, so that a phone's photo costs little.
                    image.draft("RGB", (side, side))
                    image.load()
                    return np.asarray(_upright(_shrink(image, side), image))
    except BadImage:
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLarge("The picture has too many pixels. Send a smaller one.") from error
    except UnidentifiedImageError as error:
        raise NotAnImage(
            f"This is not a {picture_formats.names()} picture. Save it as one of these and try again."
        ) from error
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, ValueError, EOFError …
        raise NotAnImage("The picture is damaged or incomplete. Save it again and send it once more.") from error


def encode_png(pixels: np.ndarray) -> bytes:
    """Write (H, W), (H, W, 3) or (H, W, 4) uint8 pixels as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def as_stored(data: bytes, pixels: np.ndarray) -> bytes:
    """What is kept of `data`, a picture of which `decode` made `pixels`: a PNG of that size, and nothing else in it.

    A canvas's own PNG is kept byte for byte; a photo, whose PNG would be large, as WebP. Whoever shows what is stored
    decodes no more than that size.
    """
    height, width = pixels.shape[:2]
    is_kept = len(data) <= KEPT_BYTES and data[16:24] == struct.pack(">II", width, height) and _is_plain_png(data)
    if is_kept:
        return data
    stored = encode_png(pixels)
    for quality in STORED_QUALITIES:
        if len(stored) <= STORED_BYTES:
            return stored
        stored = _encode_webp(Image.fromarray(pixels), quality)
    small = Image.fromarray(pixels)
    while len(stored) > STORED_BYTES:  # noise
        small = small.reduce(2)
        stored = _encode_webp(small, STORED_QUALITIES[-1])
    return stored


def _encode_webp(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    # exact: the colours of transparent pixels matter to whoever reads the picture again
    image.save(buffer, format="WEBP", quality=quality, method=1, exact=True)
    return buffer.getvalue()


def _is_plain_png(data: bytes) -> bool:
    """Whether a PNG file has PLAIN_CHUNKS only, and ends where the picture does."""
    place, kind = 8, b""
    while place + 12 <= len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind not in PLAIN_CHUNKS:
            return False
        place += 12 + length
    return data.startswith(b"\x89PNG\r\n\x1a\n") and kind == b"IEND" and place == len(data)


def _check_size(image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    limit = min(max_pixels, MAX_MEMORY // _bytes_per_pixel(image))
    if width * height > limit:
        raise ImageTooLarge(
            f"The picture has {width} × {height} pixels; the limit is {limit / 1e6:.0f} million. Send a smaller one."
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageTooLarge(f"The picture is {width} × {height} pixels, too long and thin. Crop it to the digit.")


def _bytes_per_pixel(image: Image.Image) -> int:
    """What the decoder holds for each pixel of the file (peak memory at 10–40 megapixels: docs/preprocessing.md)."""
    if image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        return 2 * len(image.getbands())  # `draft` makes the picture small, but not the 16-bit coefficients
    return next((each.bytes_per_pixel for each in picture_formats.readable() if each.pillow == image.format), 1)


def _bytes_to_shrink(image: Image.Image, side: int) -> int:
    """What `_shrink` and the array after it hold: the averaged picture, a smaller one, and copies of that."""
    factor = _factor(image, side)
    return 12 * (image.width // factor) * (image.height // factor)


def _factor(image: Image.Image, side: int) -> int:
    """By how much whole blocks are averaged; up to twice `side` is left."""
    return max(1, max(image.size) // side)


def _check_still(image: Image.Image, data: bytes) -> None:
    # A phone's JPEG often carries a second picture (depth, HDR gain); Pillow calls it MPO, and the first is the photo.
    if image.format not in ("MPO", "GIF", "HEIF") and getattr(image, "n_frames", 1) > 1:
        raise NotAnImage("The picture is animated. Send a still picture.")
    # Inside a scan every FF byte is stuffed, so FF DA can only be a marker that starts one.
    if image.info.get("progressive") and data.count(b"\xff\xda") > MAX_SCANS:
        raise NotAnImage("The JPEG has far too many scans. Save it again and send it once more.")


def _shrink(image: Image.Image, side: int) -> Image.Image:
    """Average whole blocks of pixels until the longer side fits. Returns RGBA."""
    grey_range = _grey_range(image)
    if max(image.size) <= side:  # a canvas's picture
        return _to_rgba(image, grey_range)
    factor = _factor(image, side)
    width, height = image.size
    small = Image.new("RGBA", (-(-width // factor), -(-height // factor)))
    # In strips, because converting a large picture to RGBA at once would take its memory twice more.
    for top in range(0, height, STRIP_ROWS * factor):
        strip = image.crop((0, top, width, min(height, top + STRIP_ROWS * factor)))
        small.paste(_to_rgba(strip, grey_range).reduce(factor), (0, top // factor))
    if max(small.size) > side:
        small.thumbnail((side, side), Image.Resampling.BOX)
    return small


def _grey_range(image: Image.Image) -> tuple[int, int]:
    """Of a picture of 16-bit grey, the values that become black and white; scanners and arrays often fill 8 or 12 bits.

    Where only a small part of what is left is used, such as 30,000 to 31,000, it is that part.
    """
    if not image.mode.startswith("I"):
        return 0, 255
    lowest, highest = (min(max(int(value), 0), 65535) for value in image.getextrema())  # type: ignore[arg-type]
    most = (1 << max(8, highest.bit_length())) - 1
    is_small = 32 <= highest - lowest < most // 8
    return (lowest, highest) if is_small else (0, most)


def _to_rgba(strip: Image.Image, grey_range: tuple[int, int]) -> Image.Image:
    if strip.mode.startswith("I"):  # Pillow would clip it, not scale it
        black, white = grey_range
        grey = (np.clip(np.asarray(strip), black, white).astype(np.int64) - black) * 256 // (white - black + 1)
        strip = Image.fromarray(grey.astype(np.uint8))
    return strip if strip.mode == "RGBA" else strip.convert("RGBA")


def _upright(small: Image.Image, image: Image.Image) -> Image.Image:
    """Turn the shrunken picture as the EXIF tag of the file says."""
    try:
        small.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
        return ImageOps.exif_transpose(small)
    except Exception:  # damaged EXIF says nothing about the picture itself, which decoded
        return small
