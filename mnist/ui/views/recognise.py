"""The first page: a digit comes in by drawing, file or camera, and the answer goes out; below, the latest ones."""

from __future__ import annotations

import streamlit as st

from mnist import services
from mnist.drawing import StorageUnavailable
from mnist.ui import admin_session, draw, gallery, upload, visitor
from mnist.ui.notices import show_outage

LATEST = 12  # drawings that the page lists
WAYS_IN = {"Draw": draw.show, "Upload": upload.show_upload, "Camera": upload.show_camera}


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
    _show_latest()


def _switch(visit: visitor.Visit) -> None:
    visit.switch_touched = True
    start_over(visit)


def start_over(visit: visitor.Visit) -> None:
    """Another way in starts with nothing on the page."""
    draw.leave(visit)
    upload.put_away(visit)
    visit.thanks = None


def _show_latest() -> None:
    """The visitor's own, each with what the network read and what the person said."""
    st.subheader("Your latest drawings", anchor=False, divider="gray")
    try:
        drawings = services.repository().recent(limit=LATEST, session_id=visitor.session_id())
    except StorageUnavailable:
        show_outage("The list can’t be shown")
        return
    if not drawings:
        st.caption(
            "Nothing yet. What you draw appears here, with what the program read."
            if visitor.keeps()
            else "Nothing is kept while the switch is off."
        )
        return
    if admin_session.is_signed_in():
        gallery.show_with_buttons(drawings, gallery.opener(), key="latest")
    else:
        gallery.show(drawings)
    _show_contribution()


def _show_contribution() -> None:
    """What came of the visitor's past corrections."""
    try:
        contribution = services.labels().contribution(visitor.session_id())
    except StorageUnavailable:
        return
    if contribution is not None:
        labels = "One of your labels" if contribution.labels == 1 else f"{contribution.labels} of your labels"
        st.caption(f":material/school: {labels} helped to train version {contribution.version} of the network.")
