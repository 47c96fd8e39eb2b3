"""The drawing widget: the canvas with Undo and Clear, and the answer beside it."""

from __future__ import annotations

import hashlib
from typing import Any

import streamlit as st

from mnist.ui import answer, visitor
from mnist.ui.canvas import BRUSH, SIDE, CanvasResult, st_canvas


@st.fragment
def show() -> None:
    """Show the canvas and the answer, updated after each stroke; only this part of the page runs again then."""
    visit = visitor.visit()
    state = visit.canvas
    if state.is_finished:
        state.is_finished = False
        st.rerun(scope="app")  # so that the drawing appears among the latest ones
    left, right = st.columns([46, 54], gap="medium")
    with left:
        canvas = st_canvas(
            stroke_width=BRUSH,
            stroke_color="#ffffff",
            background_color="#000000",
            width=SIDE,
            height=SIDE,
            # The counter makes two equal starts differ, so that Clear works twice; the canvas ignores it.
            initial_drawing={"objects": state.start, "edit": state.edit or 0},
            return_image_data=True,
            key="canvas",
        )
        if state.was_away:
            # The browser remembers the canvas's last picture, even while the canvas is not on the page.
            state.was_away, state.stale, state.left = False, _digest(canvas), []
        if state.edit is None:
            state.edit = 0
            if _objects(canvas):  # drawn in a session that has ended: the empty start of this one would wipe them
                state.start, state.edit = _objects(canvas), 1
                answer.take_up(visit, canvas.image_bytes)
                st.rerun()
        if late := _late_strokes(state, canvas):
            _restart_canvas(state, canvas, state.start + late)
            st.rerun()  # runs the whole page, because a returning browser has asked for all of it
        strokes = _strokes(state, canvas)
        with st.container(horizontal=True, key="tools"):
            st.button(
                "Undo",
                icon=":material/undo:",
                shortcut="Backspace",  # Streamlit would catch Ctrl+Z in text fields too, where it has another meaning
                disabled=not strokes,
                on_click=_restart_canvas,
                args=(state, canvas, strokes[:-1]),
            )
            st.button(
                "Clear",
                icon=":material/delete:",
                shortcut="Delete",
                disabled=not strokes,
                on_click=_clear,
                args=(visit, canvas),
            )
    with right:
        _answer(visit, canvas, strokes)


def leave(visit: visitor.Visit) -> None:
    """Empty the canvas because the visitor leaves it, so that it is empty when they come back."""
    _start_over(visit)
    visit.canvas.was_away = True


def _start_over(visit: visitor.Visit) -> None:
    """Empty the canvas for another drawing, on the next run."""
    state = visit.canvas
    state.start, state.edit, state.is_finished = [], (state.edit or 0) + 1, True
    visit.forget()


def _answer(visit: visitor.Visit, canvas: CanvasResult, strokes: list[dict[str, Any]]) -> None:
    picture = canvas.image_bytes
    if not strokes:
        answer.show_empty(
            visit, "Draw a digit from 0 to 9 with the mouse, a pen or a finger. Several side by side make a number."
        )
        return
    if picture is not None and not _is_stale(visit.canvas, canvas):
        answer.read(visit, picture, source="canvas")
    answer.show(visit, lambda: _clear(visit, canvas))


def _clear(visit: visitor.Visit, canvas: CanvasResult) -> None:
    _restart_canvas(visit.canvas, canvas, [])
    _start_over(visit)


def _restart_canvas(state: visitor.CanvasState, canvas: CanvasResult, strokes: list[dict[str, Any]]) -> None:
    state.start, state.edit = strokes, (state.edit or 0) + 1
    # The browser goes on sending the old picture until it has drawn the new start.
    state.stale, state.left = _digest(canvas), _objects(canvas)


def _strokes(state: visitor.CanvasState, canvas: CanvasResult) -> list[dict[str, Any]]:
    """The strokes that are, or are about to be, on the canvas."""
    return state.start if _is_stale(state, canvas) else _objects(canvas)


def _late_strokes(state: visitor.CanvasState, canvas: CanvasResult) -> list[dict[str, Any]]:
    """Strokes drawn between a tap on Undo, Clear or a label and the new start, which would wipe them."""
    left, now = state.left, _objects(canvas)
    if left and now[: len(left)] == left:
        return now[len(left) :]
    state.left = []
    return []


def _objects(canvas: CanvasResult) -> list[dict[str, Any]]:
    objects: list[dict[str, Any]] = (canvas.json_data or {}).get("objects", [])
    return objects


def _is_stale(state: visitor.CanvasState, canvas: CanvasResult) -> bool:
    """Whether the browser still sends the picture from before Undo or Clear."""
    if state.stale != _digest(canvas):
        state.stale = None  # a later drawing may have the same digest
    return state.stale is not None


def _digest(canvas: CanvasResult) -> str | None:
    return hashlib.sha256(canvas.image_bytes).hexdigest() if canvas.image_bytes else None
