"""Uses the page without a browser: speaks Streamlit's WebSocket protocol, draws on the canvas, presses buttons."""

from __future__ import annotations

import base64
import http.client
import json
import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.BidiComponent_pb2 import BidiComponent
from streamlit.proto.Common_pb2 import StringArray
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from mnist.training.handwriting.pen import SUBPIXEL, Line
from mnist.vision.image_files import encode_png

SIDE, BRUSH = 300, 18  # px, as the pad has them on a laptop
PATIENCE = 60  # seconds until an answer is given up
MOST_BYTES = 2**25  # of one message


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the page's script brought."""

    messages: tuple[ForwardMsg, ...]
    seconds: float  # from the message that asked for it to the last one of its answer
    bytes: int

    @property
    def text(self) -> str:
        """All that came back, for looking things up in it."""
        return "\n".join(map(str, self.messages))

    @property
    def problems(self) -> list[str]:
        """What the page says went wrong."""
        elements = [message.delta.new_element for message in self.messages if message.HasField("delta")]
        return [each.exception.message for each in elements if each.HasField("exception")]


@dataclass(frozen=True, slots=True)
class _Placed:
    """An element on the page."""

    element: Element
    fragment: str  # that runs when a widget in it changes; empty: the whole script
    run: str  # that put it there


class PageVisitor:
    """One person with one tab open. Not for several threads at once.

    with PageVisitor(port) as visitor:
        visitor.open()
        visitor.draw(lines)
        visitor.press("7")
    """

    def __init__(
        self, port: int, *, cookie: str | None = None, origin: str | None = None, session: str | None = None
    ) -> None:
        """cookie: of a visitor who comes back; None asks for one, as a browser's first visit does.

        origin: the address of the page that connects, where it is not this server's own.
        session: the session to go on with, as a browser does after a pause.
        """
        self.cookie = _ask_for_cookie(port) if cookie is None else cookie
        self._placed: dict[tuple[int, ...], _Placed] = {}
        self._states: dict[str, WidgetState] = {}  # what the browser sends again with every run
        self._lines: list[Line] = []
        self._number = 0  # of the drawing on the pad
        self.session = self._page_name = self._query = self._script_run = ""
        self._fragments: tuple[str, ...] = ()
        self._connected = ExitStack()
        connecting = connect(
            f"ws://127.0.0.1:{port}/_stcore/stream",
            origin=Origin(origin or f"http://127.0.0.1:{port}"),
            subprotocols=list(map(Subprotocol, ("streamlit", "-", session) if session else ("streamlit",))),
            additional_headers={"Cookie": self.cookie} if self.cookie else {},
            max_size=MOST_BYTES,
        )
        self._link: ClientConnection = self._connected.enter_context(connecting)

    def __enter__(self) -> PageVisitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connected.close()

    def open(self, page: str = "", query: str = "", widgets: Sequence[WidgetState] = ()) -> Run:
        """Go to one of the application's pages, by its path; `widgets` are states to send with it."""
        self._page_name, self._query = page, query
        self._states.clear()
        self._lines, self._number = [], self._number + 1
        for widget in widgets:
            self._states[widget.id] = widget
        return self._run(None)

    def draw(self, *lines: Line) -> Run:
        """Add strokes to the canvas; points in its pixels. Returns the run that answers."""
        self._lines += lines
        return self._send_canvas()

    def press(self, label: str) -> Run:
        """Press what has this text, Clear on the pad too. Returns the run that answers."""
        if label == "Clear":
            self._lines, self._number = [], self._number + 1
            return self._send_canvas()
        pressed = next(filter(None, (_pressed(each, label) for each in self._elements)))
        run = self._run(pressed.id, trigger=pressed)
        canvas = self._canvas()
        if canvas is not None and json.loads(canvas.json).get("finished") == self._number:
            self._lines, self._number = [], self._number + 1  # the browser takes it off, and sends nothing
        return run

    @property
    def widgets(self) -> list[str]:
        """The ids of the widgets on the page."""
        return sorted(filter(None, map(_id_of, self._elements)))

    @property
    def texts(self) -> str:
        """The page's own HTML, Markdown and messages, from top to bottom."""
        return "\n".join(each.html.body or each.markdown.body or each.alert.body for each in self._elements)

    @property
    def drawings(self) -> list[str]:
        """The ids of the stored drawings that the page shows."""
        return re.findall(r"history\?drawing=([0-9a-f-]{36})", self.texts)

    def send(self, data: bytes) -> None:
        """Any bytes at all."""
        self._link.send(data)

    def receive(self, seconds: float = PATIENCE) -> ForwardMsg:
        """The next message. Raises TimeoutError, or ConnectionClosed."""
        data = self._link.recv(timeout=seconds)
        message = ForwardMsg()
        message.ParseFromString(data if isinstance(data, bytes) else data.encode())
        return message

    @property
    def _elements(self) -> list[Element]:
        return [placed.element for _, placed in sorted(self._placed.items(), key=lambda each: each[0])]

    def _take(self, message: ForwardMsg) -> None:
        """Change the page as the message says."""
        kind = message.WhichOneof("type")
        if kind == "delta" and message.delta.HasField("new_element"):
            placed = _Placed(message.delta.new_element, message.delta.fragment_id, self._script_run)
            self._placed[tuple(message.metadata.delta_path)] = placed
        elif ends_run(message):
            # What this run could have shown and did not is no longer there.
            self._placed = {
                place: each
                for place, each in self._placed.items()
                if each.run == self._script_run or (self._fragments and each.fragment not in self._fragments)
            }
        elif kind == "new_session":
            self.session = message.new_session.initialize.session_id
            run = message.metadata.run
            self._script_run, self._fragments = run.script_run_id, tuple(run.fragment_ids)

    def _run(self, widget: str | None, trigger: WidgetState | None = None) -> Run:
        """Ask for a run of the script, or of the fragment that the widget is in."""
        message = BackMsg()
        asked = message.rerun_script
        asked.page_name, asked.query_string = self._page_name, self._query
        asked.fragment_id = next(
            (each.fragment for each in self._placed.values() if _id_of(each.element) == widget), ""
        )
        asked.widget_states.widgets.extend(self._states.values())
        if trigger is not None:
            asked.widget_states.widgets.append(trigger)
        started = time.perf_counter()
        self._link.send(message.SerializeToString())
        messages, size = [], 0
        while True:
            answer = self.receive()
            size += answer.ByteSize()
            self._take(answer)
            messages.append(answer)
            if ends_run(answer):
                return Run(tuple(messages), time.perf_counter() - started, size)

    def _canvas(self) -> BidiComponent | None:
        return next((each.bidi_component for each in self._elements if each.HasField("bidi_component")), None)

    def _send_canvas(self) -> Run:
        canvas = self._canvas()
        assert canvas is not None, "there is no canvas on this page"
        picture = _as_data_url(self._lines) if self._lines else None
        if "finished" in json.loads(canvas.json):
            drawing = {"number": self._number, "strokes": len(self._lines), "picture": picture}
        else:  # the package's own canvas
            drawing = {"raw": _as_fabric(self._lines), "data": picture}
        self._states[canvas.id] = WidgetState(id=canvas.id, json_value=json.dumps({"drawing": drawing}))
        return self._run(canvas.id)


def ends_run(message: ForwardMsg) -> bool:
    """Whether this is the last message of an answer; a run that makes way for another one does not end it."""
    return message.HasField("script_finished") and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN


def _id_of(element: Element) -> str:
    kind = element.WhichOneof("type")
    return getattr(getattr(element, kind), "id", "") if kind else ""


def _pressed(element: Element, label: str) -> WidgetState | None:
    """What the browser sends when this text of the element is pressed; None where the element has no such text."""
    if element.button.label == label:
        return WidgetState(id=element.button.id, trigger_value=True)
    if any(choice.content == label for choice in element.button_group.options):
        return WidgetState(id=element.button_group.id, string_array_value=StringArray(data=[label]))
    return None


def _ask_for_cookie(port: int) -> str:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    link.request("GET", "/", headers={"Accept": "text/html"})
    answer = link.getresponse()
    answer.read()
    link.close()
    return (answer.getheader("Set-Cookie") or "").split(";")[0]


def _as_fabric(lines: Sequence[Line]) -> dict[str, Any]:
    """Strokes as the canvas describes them."""
    objects = []
    for line in lines:
        points = np.round(line, 2).tolist()
        path = [["M", *points[0]], *(["Q", *point, *after] for point, after in pairwise(points))]
        (left, top), (right, bottom) = line.min(axis=0).tolist(), line.max(axis=0).tolist()
        objects.append(
            {
                "type": "Path", "left": left, "top": top, "width": right - left, "height": bottom - top, "fill": None,
                "stroke": "#ffffff", "strokeWidth": BRUSH, "strokeLineCap": "round", "strokeLineJoin": "round",
                "scaleX": 1, "scaleY": 1, "angle": 0, "opacity": 1, "visible": True, "path": path,
            }
        )  # fmt: skip
    return {"version": "6", "objects": objects, "background": "#000000"}


def _as_data_url(lines: Sequence[Line]) -> str:
    pixels = np.zeros((SIDE, SIDE, 4), np.uint8)
    pixels[..., 3] = 255
    for line in lines:
        fixed = np.rint(line * 2**SUBPIXEL).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(pixels, [fixed], False, (255, 255, 255, 255), BRUSH, cv2.LINE_AA, SUBPIXEL)
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode()
