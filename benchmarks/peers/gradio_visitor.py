"""A browser's side of the Gradio page, without a browser: three uploads, a place in the queue, the answer.

A browser makes three times as many uploads for a stroke; this is the least that the page can do with.
"""

from __future__ import annotations

import http.client
import json
import uuid
from typing import Any

import cv2
import numpy as np

from mnist.vision.image_files import encode_png

PARTS = ("background", "layer_0", "composite")
PATIENCE = 60  # seconds


class GradioVisitor:
    """One person with the page open. Not for several threads at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._session = uuid.uuid4().hex[:11]
        self._link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._sketches = [_sketch(with_bar=False), _sketch(with_bar=True)]
        self._turn = 0

    def redraw(self) -> None:
        """Draw, and return when the page has answered."""
        self._link.close()  # the server may have hung up on a visitor who waited; the next request connects again
        pictures = dict(zip(PARTS, self._sketches[self._turn % 2], strict=True))
        self._turn += 1
        background, layer, composite = (self._upload(name, data) for name, data in pictures.items())
        sketch = {"background": background, "layers": [layer], "composite": composite}
        asked = {"data": [sketch], "fn_index": 0, "trigger_id": 0, "session_hash": self._session}
        self._post("/gradio_api/queue/join?", "application/json", json.dumps(asked).encode())
        self._wait()

    def _upload(self, name: str, picture: bytes) -> dict[str, Any]:
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}.png"\r\n'
        body = f"{head}Content-Type: image/png\r\n\r\n".encode() + picture + f"\r\n--{boundary}--\r\n".encode()
        [path] = self._post("/gradio_api/upload", f"multipart/form-data; boundary={boundary}", body)
        return {"path": path, "orig_name": f"{name}.png", "size": len(picture), "meta": {"_type": "gradio.FileData"}}

    def _post(self, path: str, kind: str, body: bytes) -> Any:
        self._link.request("POST", path, body, {"Content-Type": kind})
        answer = self._link.getresponse()
        text = answer.read()
        assert answer.status == 200, text[:500]
        return json.loads(text)

    def _wait(self) -> None:
        """Read the queue's messages until the answer has come."""
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        link.request("GET", f"/gradio_api/queue/data?session_hash={self._session}")
        answer = link.getresponse()
        while line := answer.readline():
            if line.startswith(b"data:"):
                message = json.loads(line[5:])
                if message["msg"] == "process_completed":
                    assert message["success"], message
                    assert message["output"]["data"][0]["label"] is not None
                    break
        link.close()


def _sketch(*, with_bar: bool) -> tuple[bytes, bytes, bytes]:
    """Background, layer and composite: a seven in black."""
    layer = np.zeros((300, 300, 4), np.uint8)
    strokes = [[[90, 60], [210, 60], [135, 240]]] + [[[120, 150], [200, 150]]] * with_bar
    cv2.polylines(layer, [np.array(stroke) for stroke in strokes], False, (0, 0, 0, 255), 18, cv2.LINE_AA)
    paper = np.full((300, 300, 4), 255, np.uint8)
    composite = np.where(layer[..., 3:] > 0, layer, paper)
    return encode_png(paper), encode_png(layer), encode_png(composite)
