"""The first page: recognise a digit that is drawn, uploaded or photographed; below, the visitor's latest drawings."""

from __future__ import annotations

import streamlit as st

from mnist import services
from mnist.drawing import StorageUnavailable
from mnist.store.history import Wanted
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
    # The switch runs before any picture is read: a browser that reconnects to a new session, after a restart of the
    # server or a long pause, sends the switch's position, and no callback is called for that.
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
    """Take the picture and its answer off the page, so that another way in begins empty."""
    draw.leave(visit)
    upload.put_away(visit)
    visit.thank(None, None)


def _show_latest() -> None:
    """Show the visitor's own drawings, each with the network's reading and the person's label."""
    st.header("Your latest drawings", anchor=False, divider="gray")
    try:
        drawings = services.history().page(Wanted(visitor.session_id()), limit=LATEST).drawings
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
    except StorageUnavailable:
        show_outage("The list can’t be shown")
        return
    _show_contribution()


def _show_contribution() -> None:
    """Tell the visitor which version learned from their labels, and show which corrections it learned."""
    session_id = visitor.session_id()
    try:
        contribution = services.labels().contribution(session_id)
        if contribution is None:
            return
        corrections = services.labels().corrections_learned(session_id, contribution.version, limit=LATEST)
    except StorageUnavailable:
        return
    labels = "One of your labels" if contribution.labels == 1 else f"{contribution.labels} of your labels"
    these = f" It learned {'this correction' if len(corrections) == 1 else 'these corrections'}:" if corrections else ""
    st.caption(f":material/school: {labels} helped to train version {contribution.version} of the network.{these}")
    if corrections:
        gallery.show(corrections)
