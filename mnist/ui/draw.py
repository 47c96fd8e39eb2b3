"""The drawing widget: the pad, and the answer beside it."""

from __future__ import annotations

from functools import partial

import streamlit as st

from mnist.ui import answer, canvas, visitor


@st.fragment
def show() -> None:
    """Show the pad and the answer, updated after each stroke; only this part of the page runs again then."""
    visit = visitor.visit()
    state = visit.canvas
    if state.is_finished:
        state.is_finished = False
        st.rerun(scope="app")  # so that the drawing appears among the latest ones
    left, right = st.columns([46, 54], gap="medium")
    with left:
        drawn = canvas.show(state.finished, state.seen)
    if state.was_away:
        # The browser remembers the last picture, even while the pad is not on the page.
        state.was_away, state.finished = False, drawn.number
    is_empty = drawn.picture is None or drawn.number == state.finished
    if drawn.number != state.number:
        is_first, state.number = state.number is None, drawn.number
        if is_first and not is_empty:  # drawn in a session that has ended
            answer.take_up(visit, drawn.picture)
        elif visit.drawing is not None:  # wiped with Clear
            visit.forget()
            st.rerun(scope="app")  # so that it appears among the latest ones
    with right.container(key="reply"):
        if is_empty or drawn.picture is None:
            answer.show_empty(
                visit, "Draw a digit from 0 to 9 with the mouse, a pen or a finger. Several side by side make a number."
            )
            return
        answer.read(visit, drawn.picture, source="canvas")
        answer.show(visit, partial(_finish, visit, drawn.strokes))


def leave(visit: visitor.Visit) -> None:
    """Empty the pad because the visitor leaves it, so that it is empty when they come back."""
    _finish(visit, seen=None)
    visit.canvas.was_away = True


def _finish(visit: visitor.Visit, seen: int | None) -> None:
    """Make room for another drawing, on the next run. seen: strokes of this one; None: all that there are."""
    state = visit.canvas
    state.finished, state.seen, state.is_finished = state.number, seen, True
    visit.forget()
