"""One drawing on a page of its own, which its link shows to anyone who has it; its maker can label or delete it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import streamlit as st

from mnist import services
from mnist.drawing import MAX_NUMBER, AlreadyProcessed, Drawing, StorageUnavailable, UnknownPrediction, Verdict
from mnist.ui import admin_session, gallery, label_buttons, visitor
from mnist.ui.notices import show_outage
from mnist.ui.probabilities import probability_bars
from mnist.ui.session_state import memory
from mnist.vision.image_files import BadImage
from mnist.vision.ink import BlankDrawing


@dataclass(slots=True)
class Asked:
    """What was asked for about drawings, and what came of it."""

    read_again: Drawing | None = None
    problem: str | None = None


def show(name: str) -> None:
    """name: the drawing's id, as somebody's address bar has it."""
    st.button("All drawings", icon=":material/arrow_back:", type="tertiary", on_click=_leave)
    try:
        drawing = services.repository().find(uuid.UUID(name))
    except (ValueError, UnknownPrediction):
        st.error("There is no such drawing. It may have been deleted.", icon=":material/search_off:")
        return
    except StorageUnavailable:
        show_outage("The drawing can’t be shown")
        return
    st.title("A drawing", anchor=False)
    left, right = st.columns([46, 54], gap="medium")
    with left:
        st.image(drawing.image, width=300, alt=gallery.described(drawing))
        st.caption(
            f"{drawing.created_at:%Y-%m-%d %H:%M} UTC · {drawing.source} · read by version {drawing.model_version}"
        )
    with right:
        state, text = gallery.verdict(drawing)
        st.html(
            f'<div class="answer"><span class="digit{" number" if drawing.predicted_number else ""}">'
            f'{gallery.guess_of(drawing)}</span><span class="sure">{gallery.how_sure(drawing)}'
            f'<small class="{state}">{text}</small></span></div>'
        )
        if drawing.predicted_number is None:
            st.html(probability_bars(drawing.probabilities))
        is_administrator = admin_session.is_signed_in()
        if is_administrator or drawing.session_id == visitor.session_id():
            _show_actions(drawing, is_administrator)


def _show_actions(drawing: Drawing, is_administrator: bool) -> None:
    asked = memory(Asked)
    if drawing.feedback_processed and not is_administrator:
        st.caption("A retraining has looked at this label, so it can’t be changed any more.")
    else:
        label_buttons.ask("It is:", _label, asked, drawing, is_administrator)
        _ask_for_number(asked, drawing, is_administrator)
    with st.container(horizontal=True):
        st.button("Read again", icon=":material/replay:", on_click=_read_again, args=(asked, drawing))
        with st.popover("Delete this drawing", icon=":material/delete:"):
            whose = None if is_administrator else visitor.session_id()
            st.button("Yes, delete it", type="primary", on_click=_delete, args=(asked, visitor.visit(), drawing, whose))
    again = asked.read_again
    if again is not None and again.id == drawing.id:
        st.info(
            f"Version {again.model_version} reads it as **{label_buttons.worded(again.guess)}**"
            f"{f', {gallery.how_sure(again)}' if again.guess else ''}. The original reading is kept."
        )
    if asked.problem:
        st.error(asked.problem)
        asked.problem = None


def _ask_for_number(asked: Asked, drawing: Drawing, is_administrator: bool) -> None:
    if drawing.verdict == Verdict.DIGIT and drawing.predicted_number is None and drawing.true_number is None:
        return
    with st.form("number", border=False):
        typed = st.text_input("Or a number of several digits", value=drawing.truth or "", max_chars=MAX_NUMBER)
        if st.form_submit_button("Store it"):
            label_buttons.take_number(typed, _label, asked, drawing, is_administrator)


def _label(asked: Asked, drawing: Drawing, is_administrator: bool, label: int | str | None) -> None:
    try:
        if is_administrator:
            services.administration().relabel(drawing.id, label)
        else:
            services.recogniser().correct_by_id(drawing.id, label)
    except (AlreadyProcessed, StorageUnavailable, UnknownPrediction) as error:
        asked.problem = f"Not stored: {error}"


def _read_again(asked: Asked, drawing: Drawing) -> None:
    try:
        asked.read_again = services.recogniser().reread(drawing)
    except (BadImage, BlankDrawing) as error:
        asked.problem = f"Not read: {error}"


def _delete(asked: Asked, visit: visitor.Visit, drawing: Drawing, session_id: str | None) -> None:
    """session_id: whose drawing it has to be; None for an administrator, who deletes anybody's."""
    try:
        if session_id is None:
            services.administration().delete([drawing.id])
        else:
            services.repository().delete(session_id, drawing.id)
    except StorageUnavailable as error:
        asked.problem = f"Not deleted: {error}"
    else:
        visit.unsent = visit.unsent_but(drawing)
        _leave()


def _leave() -> None:
    """Back to the list, whose filters are in the address beside the drawing."""
    st.query_params.pop("drawing", None)
