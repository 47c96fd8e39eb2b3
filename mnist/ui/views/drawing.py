"""The page of one drawing, open to anyone with its link; only its maker or an administrator can change it."""

from __future__ import annotations

import math
import time
import uuid
from dataclasses import dataclass

import streamlit as st

from mnist import services
from mnist.drawing import (
    MAX_NUMBER,
    AlreadyProcessed,
    Drawing,
    StorageUnavailable,
    UnknownPrediction,
    Verdict,
    parse_label,
)
from mnist.store.history import Neighbours, Wanted
from mnist.ui import admin_session, gallery, label_buttons, visitor
from mnist.ui.boxes import stored_with_boxes
from mnist.ui.local_time import local
from mnist.ui.notices import show_outage
from mnist.ui.probabilities import probability_bars
from mnist.ui.session_state import memory
from mnist.vision.image_files import BadImage
from mnist.vision.ink import BlankDrawing

# A label leads to the next drawing. So soon after it appeared, nobody has seen it: the tap was for another.
# The second tap of a double tap may come later, but it gives the same label.
UNSEEN_SECONDS, DOUBLE_TAP_SECONDS = 0.3, 0.7


@dataclass(slots=True)
class DrawingActions:
    """Results of the actions on this page.

    read_again: the drawing as the network that answers now reads it.
    deleted: the words that confirm a deletion, for the list to which it leads back.
    labelled: id of the drawing that was labelled last; label: what it was labelled as.
    appeared_at: when the page showed what came of that, in seconds of the monotonic clock; infinite until it does.
    """

    read_again: Drawing | None = None
    problem: str | None = None
    deleted: str | None = None
    labelled: uuid.UUID | None = None
    label: int | str | None = None
    appeared_at: float = -math.inf


def show(name: str, wanted: Wanted) -> None:
    """Show the drawing.

    name: its id from the address, which may be malformed or unknown. wanted: the list in which it stands.
    """
    try:
        drawing = services.repository().find(uuid.UUID(name))
    except (ValueError, UnknownPrediction):
        _show_way_back()
        st.error("There is no such drawing. It may have been deleted.", icon=":material/search_off:")
        return
    except StorageUnavailable:
        show_outage("The drawing can’t be shown")
        return
    is_administrator = admin_session.is_signed_in()
    is_own = drawing.session_id == visitor.session_id()
    beside = Neighbours(None, None)
    if is_own or is_administrator:
        beside = _show_ways(drawing, wanted)
    st.title("A drawing" if is_own or is_administrator else "A drawing that somebody shared", anchor=False)
    left, right = st.columns([46, 54], gap="medium")
    with left:
        st.html(stored_with_boxes(drawing, alt=gallery.described(drawing)))
        st.caption(
            f"{local(drawing.created_at):%Y-%m-%d %H:%M} · {drawing.source} · read by version {drawing.model_version}"
        )
    with right:
        state, text = gallery.verdict(drawing)
        st.html(
            f'<div class="answer"><span class="digit{" number" if drawing.predicted_number else ""}">'
            f'{gallery.guess_of(drawing)}</span><span class="sure">{gallery.how_sure(drawing)}'
            f'<small class="{state}">{text}</small></span></div>'
        )
        if is_own or is_administrator:  # above the bars: on a phone, the labels are in sight
            _show_labels(drawing, is_administrator, beside.next)
        if drawing.predicted_number is None:
            st.html(probability_bars(drawing.probabilities))
        if is_own or is_administrator:
            _show_actions(drawing, is_administrator)
        else:
            # Not st.link_button, which opens another tab.
            st.html('<a class="draw-your-own" href="./" target="_self">Draw your own</a>')


def _show_way_back() -> None:
    st.button("All drawings", icon=":material/arrow_back:", type="tertiary", on_click=_leave)


def _show_ways(drawing: Drawing, wanted: Wanted) -> Neighbours:
    """Show the ways to the list and to the drawings beside this one in it, which are returned."""
    try:
        beside = services.history().neighbours(wanted, drawing)
    except StorageUnavailable:
        beside = Neighbours(None, None)
    with st.container(horizontal=True, key="ways"):
        _show_way_back()
        for name, key, icon, other in (
            ("Previous", "Left", "chevron_left", beside.previous),
            ("Next", "Right", "chevron_right", beside.next),
        ):
            st.button(
                name,
                key=f"to_{name}",
                icon=f":material/{icon}:",
                shortcut=key,
                disabled=other is None,
                on_click=_go,
                args=(other,),
            )
    return beside


def _show_labels(drawing: Drawing, is_administrator: bool, following: uuid.UUID | None) -> None:
    """following: the next drawing of the list, to which a label leads."""
    actions = memory(DrawingActions)
    if actions.appeared_at == math.inf:
        actions.appeared_at = time.monotonic()
    if drawing.feedback_processed and not is_administrator:
        st.caption("A retraining has looked at this label, so it can’t be changed any more.")
    else:
        label_buttons.ask("It is:", _label, actions, drawing, is_administrator, following)
        _ask_for_number(actions, drawing, is_administrator, following)
    if actions.labelled not in (None, drawing.id):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"The drawing before is stored as {label_buttons.worded(actions.label)}.", width="content")
            st.button("Change that", icon=":material/undo:", type="tertiary", on_click=_go, args=(actions.labelled,))
    if actions.problem:
        st.error(actions.problem)
        actions.problem = None


def _show_actions(drawing: Drawing, is_administrator: bool) -> None:
    actions = memory(DrawingActions)
    with st.container(horizontal=True):
        st.button("Read again", icon=":material/replay:", on_click=_read_again, args=(actions, drawing))
        with st.popover("Delete this drawing", icon=":material/delete:"):
            whose = None if is_administrator else visitor.session_id()
            st.button(
                "Yes, delete it", type="primary", on_click=_delete, args=(actions, visitor.visit(), drawing, whose)
            )
    again = actions.read_again
    if again is not None and again.id == drawing.id:
        st.info(
            f"Version {again.model_version} reads it as **{label_buttons.worded(again.guess)}**"
            f"{f', {gallery.how_sure(again)}' if again.guess else ''}. The original reading is kept."
        )


def _ask_for_number(
    actions: DrawingActions, drawing: Drawing, is_administrator: bool, following: uuid.UUID | None
) -> None:
    if drawing.verdict == Verdict.DIGIT and drawing.predicted_number is None and drawing.true_number is None:
        return
    with st.form("number", border=False):
        typed = st.text_input(
            "Or a number of several digits",
            value=drawing.truth or "",
            max_chars=MAX_NUMBER,
            key=f"number_{drawing.id}",  # or what was typed would stay for the next drawing
        )
        if st.form_submit_button("Store it"):
            label_buttons.take_number(typed, _label, actions, drawing, is_administrator, following)


def _label(
    actions: DrawingActions,
    drawing: Drawing,
    is_administrator: bool,
    following: uuid.UUID | None,
    label: int | str | None,
) -> None:
    """Store the label and go on to the next drawing; a label that changes another one stays, to be seen."""
    since = time.monotonic() - actions.appeared_at
    if since < (DOUBLE_TAP_SECONDS if label == actions.label else UNSEEN_SECONDS):
        return
    try:
        if is_administrator:
            services.administration().relabel(drawing.id, label)
        else:
            services.recogniser().correct_by_id(drawing.id, label)
    except (AlreadyProcessed, StorageUnavailable, UnknownPrediction) as error:
        actions.problem = f"Not stored: {error}"
        return
    actions.labelled, actions.label, actions.appeared_at = drawing.id, label, math.inf
    is_change = drawing.is_labelled and parse_label(label) != (drawing.true_label, drawing.true_number)
    if following is not None and not is_change:
        _go(following)


def _go(drawing: uuid.UUID) -> None:
    st.query_params["drawing"] = str(drawing)


def _read_again(actions: DrawingActions, drawing: Drawing) -> None:
    try:
        actions.read_again = services.recogniser().reread(drawing)
    except (BadImage, BlankDrawing) as error:
        actions.problem = f"Not read: {error}"


def _delete(actions: DrawingActions, visit: visitor.Visit, drawing: Drawing, session_id: str | None) -> None:
    """session_id: the visitor whose drawing it must be; None for an administrator, who may delete any."""
    try:
        if session_id is None:
            services.administration().delete([drawing.id])
        else:
            services.repository().delete(session_id, drawing.id)
    except StorageUnavailable as error:
        actions.problem = f"Not deleted: {error}"
    else:
        visit.unsent = visit.unsent_but(drawing)
        actions.deleted = "The drawing is deleted."
        _leave()


def _leave() -> None:
    """Go back to the list, whose filters stay in the address."""
    st.query_params.pop("drawing", None)
