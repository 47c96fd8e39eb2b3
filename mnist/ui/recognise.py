"""The first page: a digit comes in by drawing, file or camera, and the answer goes out."""

from __future__ import annotations

import streamlit as st

from mnist.ui import draw, picture, recent, visitor

WAYS_IN = {"Draw": draw.show, "Upload": picture.show_upload, "Camera": picture.show_camera}


def show() -> None:
    st.title("Draw a digit", anchor=False)
    visit = visitor.visit()
    way_in = st.segmented_control(
        "How do you want to show the digit?",
        options=list(WAYS_IN),
        default="Draw",
        required=True,
        key="way_in",
        on_change=start_over,
        args=(visit,),
        label_visibility="collapsed",
    )
    above = st.container()
    # Asked before anything is read: a browser that comes back to a new session, after a restart of the server or a long
    # pause, tells how its switch stands, and no callback is called for that.
    kept = st.toggle(
        "Keep my drawings, to improve the program",
        key="keeps",
        value=visitor.keeps(),
        on_change=_switch,
        args=(visit,),
        help="Drawings are stored with what the program read and what you said, without your name or address. "
        "Switched off, nothing of what you draw is stored.",
    )
    visitor.choose_to_keep(kept)
    with above:
        WAYS_IN[way_in or "Draw"]()
    recent.show()


def _switch(visit: visitor.Visit) -> None:
    visit.switch_touched = True
    start_over(visit)


def start_over(visit: visitor.Visit) -> None:
    """Another way in starts with nothing on the page."""
    draw.leave(visit)
    picture.put_away(visit)
    visit.thanks = None
