"""The view to draw on: a canvas with its own Undo and Clear, and the answer beside it."""

from __future__ import annotations

import hashlib
from typing import Any

import streamlit as st

from mnist.ui import answer, visitor
from mnist.ui.canvas import CanvasResult, st_canvas

SIDE = 300  # px; wider canvases scroll on phones
BRUSH = 18  # px; MNIST's strokes are about as thick for their height


@st.fragment
def show() -> None:
    """Draw, and see the answer after each stroke; only this part of the page runs again then."""
    if st.session_state.pop("drawing_finished", False):
        st.rerun(scope="app")  # so that it appears among the latest drawings
    left, right = st.columns([46, 54], gap="medium")
    with left:
        canvas = st_canvas(
            stroke_width=BRUSH,
            stroke_color="#ffffff",
            background_color="#000000",
            width=SIDE,
            height=SIDE,
            # The counter makes two equal starts differ, so that Clear works twice; the canvas ignores it.
            initial_drawing={"objects": _start(), "edit": st.session_state.get("canvas_edit", 0)},
            return_image_data=True,
            key="canvas",
        )
        if st.session_state.pop("canvas_was_away", False):
            # The browser remembers its last picture, even while it is not on the page.
            st.session_state["canvas_stale"], st.session_state["canvas_left"] = _digest(canvas), None
        if "canvas_edit" not in st.session_state:
            st.session_state["canvas_edit"] = 0
            if _objects(canvas):  # of a session that has ended: this one's empty start would wipe them
                st.session_state["canvas_start"], st.session_state["canvas_edit"] = _objects(canvas), 1
                answer.take_up(canvas.image_bytes)
                st.rerun()
        if late := _late_strokes(canvas):
            _restart_canvas(canvas, _start() + late)
            st.rerun()  # of the page: a browser that comes back has asked for all of it
        strokes = _strokes(canvas)
        with st.container(horizontal=True, key="tools"):
            st.button(
                "Undo",
                icon=":material/undo:",
                shortcut="Backspace",  # Streamlit hears Ctrl+Z in text fields too, where it means something else
                disabled=not strokes,
                on_click=_restart_canvas,
                args=(canvas, strokes[:-1]),
            )
            st.button(
                "Clear",
                icon=":material/delete:",
                shortcut="Delete",
                disabled=not strokes,
                on_click=_clear,
                args=(canvas,),
            )
    with right:
        _answer(canvas, strokes)


def start_over() -> None:
    """Empty the canvas for another drawing, on the next run."""
    st.session_state["canvas_start"] = []
    st.session_state["canvas_edit"] = st.session_state.get("canvas_edit", 0) + 1
    st.session_state["drawing_finished"] = True
    visitor.forget()


def leave() -> None:
    """Another way in was chosen: whoever comes back finds the canvas empty."""
    start_over()
    st.session_state["canvas_was_away"] = True


def _answer(canvas: CanvasResult, strokes: list[dict[str, Any]]) -> None:
    picture = canvas.image_bytes
    if not strokes:
        answer.show_empty(
            "Draw a digit from 0 to 9 with the mouse, a pen or a finger. Several side by side make a number."
        )
        return
    if picture is not None and not _is_stale(canvas):
        answer.read(picture, source="canvas")
    answer.show(lambda: _clear(canvas))


def _clear(canvas: CanvasResult) -> None:
    _restart_canvas(canvas, [])
    start_over()


def _restart_canvas(canvas: CanvasResult, strokes: list[dict[str, Any]]) -> None:
    st.session_state["canvas_start"] = strokes
    st.session_state["canvas_edit"] = st.session_state.get("canvas_edit", 0) + 1
    # Until the browser has drawn the new start, it goes on sending the old picture.
    st.session_state["canvas_stale"] = _digest(canvas)
    st.session_state["canvas_left"] = _objects(canvas)


def _start() -> list[dict[str, Any]]:
    return st.session_state.get("canvas_start", [])


def _strokes(canvas: CanvasResult) -> list[dict[str, Any]]:
    """What is, or is about to be, on the canvas."""
    return _start() if _is_stale(canvas) else _objects(canvas)


def _late_strokes(canvas: CanvasResult) -> list[dict[str, Any]]:
    """What was drawn after Undo, Clear or a label was tapped and before the browser heard back: it would be wiped."""
    left, now = st.session_state.get("canvas_left") or [], _objects(canvas)
    if left and now[: len(left)] == left:
        return now[len(left) :]
    st.session_state["canvas_left"] = None
    return []


def _objects(canvas: CanvasResult) -> list[dict[str, Any]]:
    return (canvas.json_data or {}).get("objects", [])


def _is_stale(canvas: CanvasResult) -> bool:
    """Whether the browser still sends the picture from before Undo or Clear."""
    stale = st.session_state.get("canvas_stale")
    if stale is not None and stale != _digest(canvas):
        st.session_state["canvas_stale"] = stale = None  # the same strokes may well be drawn again
    return stale is not None


def _digest(canvas: CanvasResult) -> str | None:
    return hashlib.sha256(canvas.image_bytes).hexdigest() if canvas.image_bytes else None
