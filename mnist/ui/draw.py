"""The view to draw on: a canvas with its own Undo and Clear, and the answer beside it."""

from __future__ import annotations

import hashlib
from typing import Any

import streamlit as st

from mnist.ui import answer, visitor
from mnist.ui.canvas import BRUSH, SIDE, CanvasResult, st_canvas


@st.fragment
def show() -> None:
    """Draw, and see the answer after each stroke; only this part of the page runs again then."""
    visit = visitor.visit()
    sheet = visit.sheet
    if sheet.is_finished:
        sheet.is_finished = False
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
            initial_drawing={"objects": sheet.start, "edit": sheet.edit or 0},
            return_image_data=True,
            key="canvas",
        )
        if sheet.was_away:
            # The browser remembers its last picture, even while it is not on the page.
            sheet.was_away, sheet.stale, sheet.left = False, _digest(canvas), []
        if sheet.edit is None:
            sheet.edit = 0
            if _objects(canvas):  # of a session that has ended: this one's empty start would wipe them
                sheet.start, sheet.edit = _objects(canvas), 1
                answer.take_up(visit, canvas.image_bytes)
                st.rerun()
        if late := _late_strokes(sheet, canvas):
            _restart_canvas(sheet, canvas, sheet.start + late)
            st.rerun()  # of the page: a browser that comes back has asked for all of it
        strokes = _strokes(sheet, canvas)
        with st.container(horizontal=True, key="tools"):
            st.button(
                "Undo",
                icon=":material/undo:",
                shortcut="Backspace",  # Streamlit hears Ctrl+Z in text fields too, where it means something else
                disabled=not strokes,
                on_click=_restart_canvas,
                args=(sheet, canvas, strokes[:-1]),
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
    """Another way in was chosen: whoever comes back finds the canvas empty."""
    _start_over(visit)
    visit.sheet.was_away = True


def _start_over(visit: visitor.Visit) -> None:
    """Empty the canvas for another drawing, on the next run."""
    sheet = visit.sheet
    sheet.start, sheet.edit, sheet.is_finished = [], (sheet.edit or 0) + 1, True
    visit.forget()


def _answer(visit: visitor.Visit, canvas: CanvasResult, strokes: list[dict[str, Any]]) -> None:
    picture = canvas.image_bytes
    if not strokes:
        answer.show_empty(
            visit, "Draw a digit from 0 to 9 with the mouse, a pen or a finger. Several side by side make a number."
        )
        return
    if picture is not None and not _is_stale(visit.sheet, canvas):
        answer.read(visit, picture, source="canvas")
    answer.show(visit, lambda: _clear(visit, canvas))


def _clear(visit: visitor.Visit, canvas: CanvasResult) -> None:
    _restart_canvas(visit.sheet, canvas, [])
    _start_over(visit)


def _restart_canvas(sheet: visitor.Sheet, canvas: CanvasResult, strokes: list[dict[str, Any]]) -> None:
    sheet.start, sheet.edit = strokes, (sheet.edit or 0) + 1
    # Until the browser has drawn the new start, it goes on sending the old picture.
    sheet.stale, sheet.left = _digest(canvas), _objects(canvas)


def _strokes(sheet: visitor.Sheet, canvas: CanvasResult) -> list[dict[str, Any]]:
    """What is, or is about to be, on the canvas."""
    return sheet.start if _is_stale(sheet, canvas) else _objects(canvas)


def _late_strokes(sheet: visitor.Sheet, canvas: CanvasResult) -> list[dict[str, Any]]:
    """What was drawn after Undo, Clear or a label was tapped and before the browser heard back: it would be wiped."""
    left, now = sheet.left, _objects(canvas)
    if left and now[: len(left)] == left:
        return now[len(left) :]
    sheet.left = []
    return []


def _objects(canvas: CanvasResult) -> list[dict[str, Any]]:
    return (canvas.json_data or {}).get("objects", [])


def _is_stale(sheet: visitor.Sheet, canvas: CanvasResult) -> bool:
    """Whether the browser still sends the picture from before Undo or Clear."""
    if sheet.stale != _digest(canvas):
        sheet.stale = None  # the same strokes may well be drawn again
    return sheet.stale is not None


def _digest(canvas: CanvasResult) -> str | None:
    return hashlib.sha256(canvas.image_bytes).hexdigest() if canvas.image_bytes else None
