"""Whatever bytes arrive, a small RGBA picture or BadImage comes out, in bounded memory."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from mnist.vision import image_files
from mnist.vision.image_files import (
    MAX_SCANS,
    WORKING_SIDE,
    BadImage,
    ImageTooLarge,
    NotAnImage,
    as_stored,
    decode,
    encode_png,
)


def corner_picture(width: int = 48, height: int = 32) -> Image.Image:
    """Black, with a white block in the top left corner, so that every rotation differs."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 4, : width // 4] = 255
    return Image.fromarray(pixels)


def save(image: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and brings no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")


@pytest.mark.parametrize(("format", "options"), [("PNG", {}), ("JPEG", {"quality": 95}), ("WEBP", {"lossless": True})])
def test_each_format_gives_its_pixels(format, options):
    pixels = decode(save(corner_picture(), format, **options))

    assert pixels.shape == (32, 48, 4)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels[:, :, :3].astype(int) - np.asarray(corner_picture()).astype(int)).max() <= 12
    assert (pixels[:, :, 3] == 255).all()


def test_encode_png_and_decode_are_inverse():
    pixels = np.random.default_rng(1).integers(0, 256, (30, 40, 4), dtype=np.uint8)
    assert np.array_equal(decode(encode_png(pixels)), pixels)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_each_png_mode_gives_the_same_picture(mode):
    image = corner_picture()
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)

    assert np.array_equal(decode(save(image))[:, :, 0], np.asarray(corner_picture())[:, :, 0])


def test_sixteen_bits_are_scaled_not_clipped():
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    assert np.abs(decode(save(Image.fromarray(ramp)))[0, :, 0].astype(int) - np.linspace(0, 255, 64)).max() <= 1


@pytest.mark.parametrize("most", [255, 4095])
def test_sixteen_bits_of_which_fewer_are_used_are_no_blank(most):
    ramp = np.tile(np.linspace(0, most, 64).astype(np.uint16), (64, 1))
    assert np.abs(decode(save(Image.fromarray(ramp)))[0, :, 0].astype(int) - np.linspace(0, 255, 64)).max() <= 1


def test_a_palette_keeps_its_transparent_colour():
    image = corner_picture().convert("P", palette=Image.Palette.ADAPTIVE, colors=2)
    black = image.getpixel((40, 30))

    pixels = decode(save(image, transparency=black))

    assert pixels[30, 40, 3] == 0
    assert pixels[0, 0, 3] == 255


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_cmyk_jpeg_has_the_colours_that_were_saved(options):
    pixels = decode(save(corner_picture().convert("CMYK"), "JPEG", quality=95, **options))
    assert pixels[2, 2, :3].min() > 230
    assert pixels[30, 40, :3].max() < 25


UPRIGHT = {  # what each value of the tag asks for (TIFF 6.0, Orientation)
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_upright(format, orientation):
    undo = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)  # the tag whose turn is the inverse
    turn = UPRIGHT.get(undo)
    stored = corner_picture() if turn is None else corner_picture().transpose(turn)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation

    pixels = decode(save(stored, format, exif=exif.tobytes()))

    assert pixels.shape == (32, 48, 4)
    assert pixels[2, 2, 0] > 200
    assert pixels[:, -10:, 0].max() < 60
    assert pixels[-10:, :, 0].max() < 60


def test_damaged_exif_does_not_spoil_the_picture():
    damaged = save(corner_picture(), "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff\x01\x12\x00\x03")
    assert decode(damaged).shape == (32, 48, 4)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_an_animation_is_refused(format):
    other = corner_picture().transpose(Image.Transpose.ROTATE_180)
    with pytest.raises(NotAnImage, match="animated"):
        decode(save(corner_picture(), format, save_all=True, append_images=[other], duration=100))


def test_a_phone_photo_with_a_second_picture_inside_is_a_photo():
    data = save(corner_picture(), "MPO", save_all=True, append_images=[corner_picture(24, 16)])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    assert decode(data).shape == (32, 48, 4)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L", "RGB", "I;16"])
def test_a_large_picture_comes_out_at_working_size_with_its_colours(mode):
    image = corner_picture(3100, 2200)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert(mode)

    pixels = decode(save(image, compress_level=1))

    assert max(pixels.shape) == WORKING_SIDE
    assert abs(pixels.shape[0] / pixels.shape[1] - 2200 / 3100) < 0.01
    assert pixels[10, 10, 0] == 255
    assert pixels[-10, -10, 0] == 0
    # The block ends at a quarter of each side: no strip was lost, doubled or moved.
    assert abs((pixels[5, :, 0] >= 128).sum() - pixels.shape[1] / 4) <= 1
    assert abs((pixels[:, 5, 0] >= 128).sum() - pixels.shape[0] / 4) <= 1


def test_one_pixel_is_a_picture():
    assert decode(save(Image.new("RGB", (1, 1), (10, 20, 30)))).tolist() == [[[10, 20, 30, 255]]]


@pytest.mark.parametrize("size", [(100_000, 1), (1, 100_000), (5100, 100)])
def test_a_thread_of_pixels_is_refused(size):
    with pytest.raises(ImageTooLarge, match="too long and thin"):
        decode(save(Image.new("L", size)))


def test_too_many_bytes_are_refused_unread(monkeypatch):
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(ImageTooLarge, match="MB"):
        decode(b"\x89PNG" + bytes(image_files.MAX_BYTES))


def oversized_webp() -> bytes:
    """A WebP of 16000 × 16000 in one colour: a few kilobytes that decode to a gigabyte."""
    data = bytearray(save(Image.new("RGB", (64, 64)), "WEBP", lossless=True))
    at = data.index(b"VP8L") + 9  # 14 bits of width − 1 and of height − 1 after the signature byte
    bits = struct.unpack_from("<I", data, at)[0] & 0xF0000000 | 15999 | 15999 << 14
    struct.pack_into("<I", data, at, bits)
    return bytes(data)


@pytest.mark.parametrize(
    "bomb",
    [png_header(30_000, 30_000), png_header(2**31 - 1, 2**31 - 1), png_header(8000, 5001), oversized_webp()],
    ids=["0.9 gigapixel", "largest PNG", "just over", "webp"],
)
def test_a_decompression_bomb_is_refused_by_its_header(bomb, monkeypatch):
    def explode(*_):
        raise AssertionError("pixels were decoded")

    for kind in (Image.Image, Image.core.__class__):
        if hasattr(kind, "load"):
            monkeypatch.setattr(kind, "load", explode)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", explode)
    monkeypatch.setattr("PIL.WebPImagePlugin.WebPImageFile.load", explode)

    with pytest.raises(BadImage):
        decode(bomb)


def test_a_caller_may_set_smaller_limits():
    data = save(corner_picture())
    with pytest.raises(ImageTooLarge):
        decode(data, max_pixels=48 * 32 - 1)
    with pytest.raises(ImageTooLarge):
        decode(data, max_bytes=len(data) - 1)
    assert decode(data, max_pixels=48 * 32, max_bytes=len(data)).shape == (32, 48, 4)


def test_a_progressive_jpeg_of_endless_scans_is_refused():
    data = save(corner_picture(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    with pytest.raises(NotAnImage, match="scans"):
        decode(data[:-2] + scan * MAX_SCANS + data[-2:])
    assert decode(data).shape == (32, 48, 4)


MEMORY = r"""
import re, sys
from pathlib import Path
from mnist.vision.image_files import decode
data = sys.stdin.buffer.read()
def peak():  # ru_maxrss would start from the parent's
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
rest = peak()
decode(data)
print(peak() - rest)
"""


def large(mode: str, format: str, width: int, height: int, **options) -> bytes:
    image = Image.new("L", (width, height), 200)
    image.paste(20, (width // 4, height // 4, width // 2, height // 2))
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    return save(image.convert(mode) if mode != "I;16" else image, format, **options)


@pytest.mark.parametrize(
    ("mode", "format", "width", "height", "options"),
    [
        ("RGBA", "PNG", 8000, 5000, {"compress_level": 1}),
        ("I;16", "PNG", 8000, 5000, {"compress_level": 1}),
        ("RGB", "JPEG", 8000, 5000, {"progressive": True, "subsampling": 0, "quality": 50}),
        ("RGB", "WEBP", 4096, 4096, {"quality": 10, "method": 0}),
    ],
    ids=["png", "png 16 bit", "jpeg progressive", "webp"],
)
def test_the_largest_picture_takes_bounded_memory(mode, format, width, height, options):
    data = large(mode, format, width, height, **options)

    done = subprocess.run([sys.executable, "-c", MEMORY], input=data, capture_output=True, check=True)

    assert 1 < float(done.stdout) < 300


GOOD = [save(corner_picture(), "PNG"), save(corner_picture(), "JPEG"), save(corner_picture(), "WEBP")]


@pytest.mark.parametrize("data", GOOD, ids=["png", "jpeg", "webp"])
def test_a_truncated_file_is_refused(data):
    for share in (0.1, 0.5, 0.8):
        with pytest.raises(NotAnImage):
            decode(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.4",
        save(corner_picture(), "TIFF"),
        save(corner_picture(), "PPM"),
        b"GIF89a" + GOOD[0],
        b"<script>" + GOOD[1],
    ],
    ids=["empty", "text", "svg", "pdf", "tiff", "ppm", "gif before png", "html before jpeg"],
)
def test_other_files_are_refused_and_the_formats_named(data):
    with pytest.raises(NotAnImage, match="PNG, JPEG, WebP, AVIF, GIF or BMP"):
        decode(data)


@pytest.mark.parametrize("format", ["GIF", "BMP", "AVIF"])
def test_further_formats_give_their_pixels_whatever_their_name(format):
    pixels = decode(save(corner_picture(), format))

    assert pixels.shape == (32, 48, 4)
    assert pixels[2, 2, :3].min() > 220
    assert pixels[-4:, -4:, :3].max() < 40


def test_of_a_gif_the_first_frame_is_read():
    other = Image.new("RGB", (48, 32), (90, 90, 90))

    assert decode(save(corner_picture(), "GIF", save_all=True, append_images=[other]))[2, 2, 0] > 220


def test_a_phones_heic_is_told_how_to_come_as_a_jpeg():
    with pytest.raises(NotAnImage, match=r"HEIC photo.*JPEG"):
        decode(struct.pack(">I", 24) + b"ftypheic" + bytes(200))


def large_jpeg(**options) -> bytes:
    return save(Image.fromarray(np.random.default_rng(2).integers(0, 255, (320, 240), np.uint8)), "JPEG", **options)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_that_lacks_its_end_is_read_and_one_that_lacks_a_third_is_not(options):
    data = large_jpeg(**options)

    assert np.array_equal(decode(data[:-2]), decode(data))
    with pytest.raises(NotAnImage, match="incomplete"):
        decode(data[: len(data) // 3])


def test_a_wrong_checksum_beside_the_picture_does_not_matter_and_one_in_it_does():
    data = GOOD[0]
    text = struct.pack(">I", 4) + b"tEXtab\0c" + bytes(4)

    assert np.array_equal(decode(data[:33] + text + data[33:]), decode(data))
    at = data.index(b"IDAT") + 8
    with pytest.raises(NotAnImage):
        decode(data[:at] + b"\xff\xff\xff" + data[at + 3 :])


def test_sixteen_bits_of_which_a_small_part_is_used_are_stretched():
    ramp = np.tile(np.linspace(30_000, 31_000, 64).astype(np.uint16), (64, 1))

    assert np.abs(decode(save(Image.fromarray(ramp)))[0, :, 0].astype(int) - np.linspace(0, 255, 64)).max() <= 2


def test_only_pixels_leave_a_polyglot():
    """A PNG with a zip and a script behind it is read as the PNG; storing re-encodes the pixels and nothing else."""
    payload = b"<script>alert(1)</script>PK\x03\x04"
    pixels = decode(GOOD[0] + payload)
    assert np.array_equal(pixels, decode(GOOD[0]))
    assert payload not in encode_png(pixels)


def png(size: tuple[int, int] = (60, 40), **options) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).save(buffer, "PNG", **options)
    return buffer.getvalue()


def with_text() -> bytes:
    said = PngImagePlugin.PngInfo()
    said.add_text("Author", "Jane Doe")
    return png(pnginfo=said)


def with_place() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Jane's camera"
    return png(exif=exif)


def test_a_plain_png_is_stored_as_it_came():
    data = png()

    assert as_stored(data, decode(data)) is data


@pytest.mark.parametrize(
    "data",
    [with_text(), with_place(), png() + b"Jane Doe", png((1030, 1030)), GOOD[1], png()[:-1] + b"x"],
    ids=["text", "exif", "something behind it", "larger than what is worked on", "jpeg", "a damaged end"],
)
def test_anything_else_is_stored_as_its_pixels_alone(data):
    pixels = decode(data)

    stored = as_stored(data, pixels)

    with Image.open(io.BytesIO(stored)) as image:
        assert image.format == "PNG"
        assert image.size == (pixels.shape[1], pixels.shape[0])
        assert max(image.size) <= WORKING_SIDE
        assert not image.info
    assert b"Jane" not in stored
    assert np.array_equal(decode(stored), pixels)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF \0\0\0WEBP"]))
def test_random_bytes_raise_bad_image_only(tail, magic):
    with pytest.raises(BadImage):
        decode(magic + tail)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    st.floats(0.05, 1),
)
@example(GOOD[0], [(16 / len(GOOD[0]), 255)], 1.0)  # a width of 4 billion
def test_damaged_bytes_give_a_picture_or_bad_image(data, changes, keep):
    damaged = bytearray(data)
    for where, value in changes:
        damaged[int(where * len(damaged))] = value
    try:
        pixels = decode(bytes(damaged[: int(len(damaged) * keep)]))
    except BadImage:
        return
    assert pixels.ndim == 3
    assert pixels.shape[2] == 4
    assert pixels.dtype == np.uint8
    assert max(pixels.shape) <= WORKING_SIDE


def test_pictures_that_need_more_memory_than_there_is_are_decoded_one_after_another(monkeypatch):
    monkeypatch.setattr(image_files, "_decoding", image_files._Room(600 * 600 * 4))
    inside, most = 0, 0
    lock = threading.Lock()
    shrink = image_files._shrink

    def watch(image, side):
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.02)
        with lock:
            inside -= 1
        return shrink(image, side)

    monkeypatch.setattr(image_files, "_shrink", watch)
    large, small = encode_png(np.zeros((500, 500), np.uint8)), encode_png(np.zeros((100, 100), np.uint8))

    with ThreadPoolExecutor(6) as pool:
        assert len(list(pool.map(decode, [large] * 6))) == 6
    assert most == 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(decode, [small] * 6))
        list(pool.map(decode, [encode_png(np.zeros((900, 900), np.uint8))]))  # more than there is: alone
    assert most > 1


def test_a_picture_that_fails_gives_its_memory_back(monkeypatch):
    room = image_files._Room(2**20)
    monkeypatch.setattr(image_files, "_decoding", room)
    whole = encode_png(np.random.default_rng(0).integers(0, 255, (90, 90), np.uint8))

    with pytest.raises(NotAnImage):
        decode(whole[:-2000])

    assert room._taken == 0
