"""One drawing on a page of its own, which its link shows to anyone who has it; its maker can label or delete it."""

from __future__ import annotations

import uuid

import streamlit as st

from mnist import services
from mnist.images import BadImage
from mnist.preprocess import BlankDrawing
from mnist.repository import (
    MAX_NUMBER,
    AlreadyProcessed,
    BadLabel,
    Drawing,
    StorageUnavailable,
    UnknownPrediction,
    parse_label,
)
from mnist.ui import administrator, gallery, labels, visitor
from mnist.ui.probabilities import probability_bars


def show(name: str) -> None:
    """name: the drawing's id, as somebody's address bar has it."""
    st.button("All drawings", icon=":material/arrow_back:", type="tertiary", on_click=_leave)
    try:
        drawing = services.recogniser().find(uuid.UUID(name))
    except (ValueError, UnknownPrediction):
        st.error("There is no such drawing. It may have been deleted.", icon=":material/search_off:")
        return
    except StorageUnavailable:
        st.info("The drawing can’t be shown: the database can’t be reached.", icon=":material/cloud_off:")
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
        is_administrator = administrator.is_signed_in()
        if is_administrator or drawing.session_id == visitor.session_id():
            _show_actions(drawing, is_administrator)


def _show_actions(drawing: Drawing, is_administrator: bool) -> None:
    if drawing.feedback_processed and not is_administrator:
        st.caption("A retraining has looked at this label, so it can’t be changed any more.")
    else:
        labels.ask("It is:", _label, drawing)
        _ask_for_number(drawing)
    with st.container(horizontal=True):
        st.button("Read again", icon=":material/replay:", on_click=_read_again, args=(drawing,))
        with st.popover("Delete this drawing", icon=":material/delete:"):
            st.button("Yes, delete it", type="primary", on_click=_delete, args=(drawing,))
    again = st.session_state.get("read_again")
    if again is not None and again.id == drawing.id:
        st.info(
            f"Version {again.model_version} reads it as **{labels.as_text(again.guess)}**"
            f"{f', {gallery.how_sure(again)}' if again.guess else ''}. The original reading is kept."
        )
    if problem := st.session_state.pop("detail_problem", None):
        st.error(problem)


def _ask_for_number(drawing: Drawing) -> None:
    if drawing.verdict == "digit" and drawing.predicted_number is None and drawing.true_number is None:
        return
    with st.form("number", border=False):
        typed = st.text_input("Or a number of several digits", value=drawing.truth or "", max_chars=MAX_NUMBER)
        if st.form_submit_button("Store it"):
            try:
                parse_label(typed)
            except BadLabel:
                st.error("Type the number with digits only, for example 2026.")
            else:
                _label(drawing, typed)
                st.rerun()


def _label(drawing: Drawing, label: int | str | None) -> None:
    try:
        if administrator.is_signed_in():
            services.administration().relabel(drawing.id, label)
        else:
            services.recogniser().correct_by_id(drawing.id, label)
    except (AlreadyProcessed, StorageUnavailable, UnknownPrediction) as error:
        st.session_state["detail_problem"] = f"Not stored: {error}"


def _read_again(drawing: Drawing) -> None:
    try:
        st.session_state["read_again"] = services.recogniser().reread(drawing)
    except (BadImage, BlankDrawing) as error:
        st.session_state["detail_problem"] = f"Not read: {error}"


def _delete(drawing: Drawing) -> None:
    try:
        if administrator.is_signed_in():
            services.administration().delete([drawing.id])
        else:
            services.recogniser().delete(visitor.session_id(), drawing.id)
    except StorageUnavailable as error:
        st.session_state["detail_problem"] = f"Not deleted: {error}"
    else:
        visitor.keep_unsent(visitor.unsent_but(drawing))
        _leave()


def _leave() -> None:
    """Back to the list, whose filters are in the address beside the drawing."""
    st.query_params.pop("drawing", None)


def choose(drawing: Drawing) -> None:
    """Show this one in the next run: what a button of another page asks for, whose callback can't leave the page."""
    st.session_state["open_drawing"] = drawing


def open_chosen(page: object) -> None:
    """Go to the page of drawings, where one was chosen on another."""
    if (drawing := st.session_state.pop("open_drawing", None)) is not None:
        st.switch_page(page, query_params={"drawing": str(drawing.id)})  # type: ignore[arg-type]
