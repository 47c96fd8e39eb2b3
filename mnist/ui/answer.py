"""The answer about one picture: what it is, how sure, what the network saw; and a person's word on it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import streamlit as st

from mnist import services
from mnist.images import BadImage, encode_png
from mnist.preprocess import BlankDrawing
from mnist.recognition import Recognition
from mnist.repository import AlreadyProcessed, Drawing, StorageUnavailable
from mnist.ui import style, visitor
from mnist.ui.charts import as_percent, probability_bars

NOT_A_DIGIT = "not a digit"


def read(data: bytes, *, source: str) -> None:
    """Recognise a picture and remember the answer; the same bytes are read once."""
    digest = hashlib.sha256(data).hexdigest()
    if st.session_state.get("read_digest") == digest:
        return
    before = visitor.recognition()
    try:
        found = services.recogniser().recognise(
            data,
            source=source,
            session_id=visitor.session_id(),
            grows_from=before.drawing if before and source == "canvas" else None,
        )
    except BlankDrawing as blank:
        visitor.forget(problem=str(blank))
    except BadImage as bad:
        visitor.forget(problem=str(bad))
    else:
        visitor.remember(found)
    st.session_state["read_digest"] = digest


def show_empty(invitation: str) -> None:
    """Nothing to answer yet."""
    thanks = st.session_state.get("thanks")
    lines = f"<b>{thanks}</b><br>{invitation}" if thanks else invitation
    st.html(f'<div class="answer empty" role="status" aria-live="polite"><div>{lines}</div></div>')


def show(start_over: Callable[[], None]) -> None:
    """The answer and its buttons.

    start_over: called once a correction is stored, to make room for the next picture.
    """
    _show_unsent(start_over)
    if problem := st.session_state.get("problem"):
        st.warning(problem, icon=":material/info:")
        return
    found = visitor.recognition()
    if found is None:
        show_empty("Reading …")
        return
    _show_headline(found)
    if not found.is_stored:
        st.warning(
            "The database can’t be reached, so this drawing was **not stored**. The answer works all the same.",
            icon=":material/cloud_off:",
        )
    _show_labels(found, start_over)
    st.altair_chart(probability_bars(found.prediction.probabilities, ink=style.ink()), key="bars")
    st.html(
        f'<div class="seen"><img alt="The 28 by 28 picture that the network sees" src="{_data_url(found)}">'
        "<span>What the network sees: your digit, cropped, scaled and centred in 28 × 28 pixels.</span></div>"
    )


def _show_headline(found: Recognition) -> None:
    prediction = found.prediction
    sure = as_percent(prediction.confidence)
    if prediction.verdict == "not_a_digit":
        shown, text = "?", "This does not look like a digit.<small>If it is one, tap which.</small>"
    elif prediction.verdict == "unsure":
        shown = str(prediction.digit)
        text = f"{sure} sure<small>I am not certain. Which one is it?</small>"
    else:
        shown, text = str(prediction.digit), f"{sure} sure"
    st.html(
        f'<div class="answer" role="status" aria-live="polite"><span class="digit">{shown}</span>'
        f'<span class="sure">{text}</span></div>'
    )


def _show_labels(found: Recognition, start_over: Callable[[], None]) -> None:
    """One tap says what it is: yes, another digit, or none."""

    def button(text: str, label: int | None, *, likely: bool = False, shortcut: str | None = None) -> None:
        st.button(
            text,
            key=f"label_{'likely_' if likely else ''}{label}",
            type="primary" if likely else "secondary",
            shortcut=shortcut,
            on_click=_label,
            args=(found.drawing, label, start_over),
        )

    with st.container(horizontal=True, gap="small", key="likely"):
        if found.prediction.verdict == "digit":
            button(f"Yes, it’s a {found.prediction.digit}", found.prediction.digit, likely=True, shortcut="Y")
        elif found.prediction.verdict == "unsure":
            for digit in found.prediction.candidates:
                button(f"It’s a {digit}", digit, likely=True)
    st.caption("No? Tap what it is:" if found.prediction.verdict == "digit" else "Tap what it is:")
    with st.container(horizontal=True, gap="small", key="labels"):
        for digit in range(10):
            button(str(digit), digit)
        button(NOT_A_DIGIT, None)


def _label(drawing: Drawing, label: int | str | None, start_over: Callable[[], None]) -> None:
    try:
        services.recogniser().correct(drawing, label)
    except StorageUnavailable:
        visitor.keep_unsent(visitor.Unsent(drawing, label))
    except AlreadyProcessed as late:
        start_over()
        st.session_state["thanks"] = str(late)
    else:
        visitor.keep_unsent(None)
        start_over()
        st.session_state["thanks"] = f"Thank you! Stored as {as_text(label)}."


def _show_unsent(start_over: Callable[[], None]) -> None:
    if (unsent := visitor.unsent()) is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="unsent"):
        st.error(
            f"The database can’t be reached. Your correction “{as_text(unsent.label)}” is **not stored yet**; "
            "it waits here.",
            icon=":material/cloud_off:",
        )
        st.button(
            "Send again",
            icon=":material/refresh:",
            type="primary",
            on_click=_label,
            args=(unsent.drawing, unsent.label, start_over),
        )


def as_text(label: int | str | None) -> str:
    """How a label reads in a sentence."""
    return NOT_A_DIGIT if label is None else str(label)


def _data_url(found: Recognition) -> str:
    return "data:image/png;base64," + base64.b64encode(encode_png(found.frame)).decode()
