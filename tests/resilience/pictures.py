"""Pictures that somebody means badly: tiny files that become large, files that are two things at once."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.support.pictures import seven


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def png(width: int, height: int, *, bits: int = 8, colour: int = 0, extra: bytes = b"", complete: bool = True) -> bytes:
    """A PNG of zeros, without ever holding its pixels."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = bytes((width * channels * bits + 7) // 8 + 1 if complete else 10_000)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(height if complete else 50)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(3 * 256)) if colour == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def encoded(width: int, height: int, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(buffer, format=kind, **options)
    return buffer.getvalue()


def animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in range(0, 250, 10)]
    buffer = io.BytesIO()
    frames[0].save(buffer, format=kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def noise(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side), np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def corpus() -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every picture; each must be answered in words, or read."""
    yield "40 megapixels of one bit", png(6324, 6324, bits=1)
    yield "40 megapixels of colour", png(6324, 6324, colour=2)
    yield "16 bits and alpha", png(4000, 4000, bits=16, colour=6)
    yield "a palette", png(6324, 6324, bits=8, colour=3)
    yield "2 gigapixels claimed", png(46_000, 46_000, complete=False)
    yield "a side of 2^31-1", png(2**31 - 1, 1, complete=False)
    yield "100,000 x 1", png(100_000, 1)
    yield "1 x 100,000", png(1, 100_000)
    yield "100,000 x 399", png(100_000, 399, bits=1)
    yield "no pixels", png(1, 1)[:16] + bytes(8) + png(1, 1)[24:]
    yield (
        "a text chunk that unpacks to 100 MB",
        png(28, 28, extra=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(100 * 2**20), 9))),
    )
    yield (
        "a colour profile that unpacks to 100 MB",
        png(28, 28, extra=chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(100 * 2**20), 9))),
    )
    yield "10,000 chunks", png(28, 28, extra=chunk(b"tEXt", b"k\0v") * 10_000)
    yield "a progressive JPEG of 20 megapixels", encoded(4500, 4500, "JPEG", progressive=True, quality=5)
    yield "a JPEG of 40 megapixels", encoded(6324, 6324, "JPEG", quality=5)
    yield "a WebP of 16 megapixels", encoded(4000, 4000, "WEBP", quality=1, method=0)
    yield "an animated PNG", animated("PNG")
    yield "an animated WebP", animated("WEBP")
    yield "a GIF", animated("GIF")
    yield "a TIFF that says PNG", b"\x89PNG\r\n\x1a\n" + encoded(64, 64, "TIFF")
    yield "PNG and HTML at once", seven() + b"<html><script>alert(1)</script></html>"
    yield "PNG and zip at once", seven() + b"PK\x05\x06" + bytes(18)
    yield "PNG with a script in its text", png(28, 28, extra=chunk(b"tEXt", b"Comment\0<script>alert(1)</script>"))
    yield "JPEG with EXIF that leads in circles", encoded(64, 64, "JPEG", exif=circular_exif())
    yield "a drawing and 9 MB behind it", seven() + bytes(9 * 2**20)
    yield "noise of 3 megapixels", noise(1750)
    yield "SVG", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    yield "PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n"
    yield "a pickle", b"cos\nsystem\n(S'true'\ntR."
    yield "NaN", struct.pack("<784f", *[float("nan")] * 784)
    yield "nothing", b""


def circular_exif() -> bytes:
    # An IFD whose "next" points to itself.
    entry = struct.pack("<HHII", 0x0112, 3, 1, 6)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + struct.pack("<I", 8)


def bodies() -> Iterator[tuple[str, str, bytes, dict[str, str]]]:
    """(name, path, body, headers) of requests that no client of good will makes."""
    json_kind = {"Content-Type": "application/json"}
    picture = base64.b64encode(seven()).decode()
    yield "deep lists", "/api/predict", b"[" * 100_000 + b"]" * 100_000, json_kind
    yield "deep objects", "/api/predict", b'{"image":' * 100_000 + b"1" + b"}" * 100_000, json_kind
    yield "a deep label", "/api/feedback", b'{"image":"%s","label":%s1%s}' % (
        picture.encode(), b"[" * 50_000, b"]" * 50_000), json_kind  # fmt: skip
    yield "NaN", "/api/feedback", b'{"image": NaN, "label": NaN}', json_kind
    yield "NaN as a label", "/api/feedback", json.dumps({"image": picture, "label": float("nan")}).encode(), json_kind
    yield "a huge number", "/api/feedback", b'{"image":"%s","label":1%s}' % (picture.encode(), b"0" * 60_000), json_kind
    yield "a huge exponent", "/api/feedback", b'{"image":"%s","label":1e999999}' % picture.encode(), json_kind
    yield "true", "/api/feedback", json.dumps({"image": picture, "label": True}).encode(), json_kind
    yield "100,000 keys", "/api/predict", json.dumps({str(n): n for n in range(7000)}).encode(), json_kind
    yield "a key twice", "/api/predict", b'{"image":"x","image":"y"}', json_kind
    yield "half a character", "/api/predict", b'{"image":"\\ud800"}', json_kind
    yield "UTF-16", "/api/predict", '{"image":"x"}'.encode("utf-16"), json_kind
    yield "no UTF-8", "/api/predict", b'{"image":"\xff\xfe"}', json_kind
    yield "many small pictures", "/api/predict/batch", json.dumps({"images": ["AAAA"] * 256}).encode(), json_kind
    yield "a million pictures", "/api/predict/batch", b'{"images":[' + b'"",' * 999_999 + b'""]}', json_kind
    yield "a picture as a form", "/api/predict", seven(), {"Content-Type": "application/x-www-form-urlencoded"}
    yield "a form without an end", "/api/predict", b"--x\r\n" * 1000, {
        "Content-Type": "multipart/form-data; boundary=x"}  # fmt: skip
    yield (
        "a form of 10,000 parts",
        "/api/predict",
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 10_000 + b"--x--"),
        {"Content-Type": "multipart/form-data; boundary=x"},
    )
    yield (
        "a part with a huge header",
        "/api/predict",
        (b'--x\r\nContent-Disposition: form-data; name="file"; filename="' + b"a" * 60_000 + b'"\r\n\r\nb\r\n--x--'),
        {"Content-Type": "multipart/form-data; boundary=x"},
    )
    yield "a boundary of 5,000 characters", "/api/predict", b"x", {
        "Content-Type": "multipart/form-data; boundary=" + "x" * 5000}  # fmt: skip
    yield "gzip", "/api/predict", zlib.compress(seven()), {"Content-Type": "image/png", "Content-Encoding": "gzip"}
    for name in ("..%2f..%2fetc%2fpasswd", "%00", "'%20OR%201=1--", "a" * 4000, "%F0%9F%92%A5", "%ff%fe"):
        yield f"the id {name[:20]}", f"/api/predictions/{name}/feedback", b'{"label":1}', json_kind
