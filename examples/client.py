"""A client of the API in one file: copy it, or use it from a terminal.

pip install requests
python examples/client.py photo.jpg seven.png                     # a line for each picture
python examples/client.py --boxes photo.jpg                       # where each digit stands
python examples/client.py --label 2026 photo.jpg                  # store it with what it is
DIGITS_KEY=… python examples/client.py --url https://digits.example.org --session ada photo.jpg
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import requests

Prediction = dict[str, Any]  # as docs/api.md describes it
MOST = 256  # pictures of one request


class Refused(Exception):
    """The server's own words for what is wrong."""


class Digits:
    """The API at one address.

    session: who draws; with a key the server reads this person's later pictures as they write.
    """

    def __init__(self, url: str = "http://localhost:8501", key: str | None = None, session: str | None = None) -> None:
        self._url = url.rstrip("/") + "/api"
        self._http = requests.Session()
        self._http.headers.update({"Authorization": f"Bearer {key}"} if key else {})
        self._http.headers.update({"X-Session-Id": session} if session else {})

    def predict(self, picture: bytes) -> Prediction:
        """Read an encoded picture: PNG, JPEG, WebP, AVIF, GIF or BMP. Raises Refused."""
        found: Prediction = self._post("/predict", files={"file": picture}).json()
        return found

    def predict_many(self, pictures: Sequence[bytes]) -> Iterator[Prediction]:
        """The same for any number of pictures, in order; many go through the network at once. Raises Refused."""
        for start in range(0, len(pictures), MOST):
            images = [base64.b64encode(each).decode() for each in pictures[start : start + MOST]]
            yield from self._post("/predict/batch", json={"images": images}).json()["predictions"]

    def label(self, prediction: Prediction, label: int | str | None) -> None:
        """Say what a picture really is: 0–9, "2026" for a number, None for no digit. Raises Refused."""
        self._post(f"/predictions/{prediction['id']}/feedback", json={"label": label})

    def _post(self, path: str, **body: Any) -> requests.Response:
        answer = self._http.post(self._url + path, timeout=60, **body)
        if not answer.ok:
            raise Refused(answer.json()["error"])
        return answer


def as_label(typed: str) -> int | str | None:
    """What the API takes for a label that somebody typed."""
    if typed == "none":
        return None
    return int(typed) if len(typed) == 1 and typed.isdecimal() else typed


def told(prediction: Prediction) -> str:
    """A prediction in a few words."""
    read = prediction.get("number", prediction["digit"])
    return f"{prediction['verdict']:12} {'-' if read is None else read!s:8} {prediction['confidence']:.1%}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Read pictures of digits.")
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--url", default="http://localhost:8501")
    parser.add_argument("--session", help="who wrote them")
    parser.add_argument("--label", help='what they are: "7", "2026", or "none" for no digit')
    parser.add_argument("--boxes", action="store_true", help="say where each digit stands")
    options = parser.parse_args()
    digits = Digits(options.url, os.environ.get("DIGITS_KEY"), options.session)
    try:
        found = list(digits.predict_many([each.read_bytes() for each in options.pictures]))
        for path, prediction in zip(options.pictures, found, strict=True):
            print(f"{path}: {told(prediction)}")
            for left, top, width, height in prediction.get("boxes", []) if options.boxes else ():
                print(f"    left {left:.3f}, top {top:.3f}, width {width:.3f}, height {height:.3f} of the picture")
            if options.label is not None:
                digits.label(prediction, as_label(options.label))
    except (Refused, OSError) as error:  # a missing file, or no server
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
