"""Coverage-guided fuzzing of what reads untrusted bytes, by hand.

python -m tests.resilience.fuzz pictures|bodies <seconds>

Needs atheris (pip install atheris==3.0.0), which is built for few platforms and therefore not in requirements-dev.txt.
Ends with an exception at the first input that is neither read nor refused in words, or that takes over 10 s or 1 GB;
that input is then in the folder it names.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "mnist", "python_multipart"]):
    from fastapi import HTTPException

    from mnist.api import bodies
    from mnist.drawing import BadLabel
    from mnist.vision.image_files import BadImage, decode
    from mnist.vision.ink import BlankDrawing
    from mnist.vision.prepare import frame

KINDS = ("image/png", "application/json", "multipart/form-data; boundary=x", "multipart/form-data", "")


def one_picture(data: bytes) -> None:
    try:
        framed = frame(decode(data, max_pixels=200_000))
    except (BadImage, BlankDrawing):
        return
    assert framed.frames.shape[1:] == (28, 28)


def one_body(data: bytes) -> None:
    kind = KINDS[data[0] % len(KINDS)] if data else ""
    for read in (
        bodies.read_picture,
        bodies.read_labelled,
        lambda kind, body: bodies.read_batch(kind, body, max_pixels=10**6),
    ):
        with suppress(HTTPException, BadImage, BadLabel):
            read(kind, data[1:])


def main() -> None:
    what, seconds = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory() as seeds, tempfile.TemporaryDirectory() as grown:
        for number, data in enumerate(examples(what)):
            (Path(seeds) / str(number)).write_bytes(data)
        options = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024", "-max_len=20000"]
        atheris.Setup([sys.argv[0], *options, grown, seeds], one_picture if what == "pictures" else one_body)
        atheris.Fuzz()


def examples(what: str) -> list[bytes]:
    from tests.resilience.pictures import bodies as sent
    from tests.resilience.pictures import corpus

    if what == "pictures":
        return [data for _, data in corpus() if len(data) < 20_000]
    return [bytes([number % 5]) + body[:5000] for number, (_, _, body, _) in enumerate(sent())]


if __name__ == "__main__":
    main()
