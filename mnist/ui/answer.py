"""The answer about one picture, with its confidence and what the network saw, and the person's correction of it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import nullcontext

import streamlit as st

from mnist import services
from mnist.drawing import MAX_NUMBER, AlreadyProcessed, Drawing, Origin, StorageUnavailable, Verdict
from mnist.recognition.recogniser import Recognition
from mnist.ui import admin_session, explanation, gallery, label_buttons, visitor
from mnist.ui.boxes import with_boxes
from mnist.ui.notices import AWAY
from mnist.ui.probabilities import as_percent, probability_bars
from mnist.vision.image_files import BadImage, encode_png
from mnist.vision.ink import BlankDrawing
from mnist.web.client_address import network_of

AHEAD_SECONDS = 0.015  # head start of the answer over its buttons; Streamlit sends what a script has made every 5 ms


def read(visit: visitor.Visit, data: bytes, *, source: str) -> None:
    """Recognise an encoded picture and keep the answer, or why there is none, in `visit`.

    data: a PNG, JPEG or WebP file; the same bytes as last time are not read again.
    source: "canvas", "upload" or "camera".
    """
    digest = hashlib.sha256(data).hexdigest()
    if visit.read_digest == digest:
        return
    before = _before(visit) if source == "canvas" else None
    network = network_of(admin_session.address())
    visit.not_kept = visitor.why_not_kept(network) if visitor.keeps() else ""
    try:
        found = services.recogniser().recognise(
            data,
            Origin(source, visitor.session_id(), network=visitor.network()),
            grows_from=before,
            keep=visitor.keeps() and not visit.not_kept,
        )
    except (BlankDrawing, BadImage) as problem:
        visit.forget(problem=str(problem))
    else:
        if found.is_stored:
            of_before = before.stored_bytes if before else 0
            services.storing().spend(network, max(0, found.drawing.stored_bytes - of_before))
        visit.remember(found)
    visit.read_digest = digest


def take_up(visit: visitor.Visit, picture: bytes | None) -> None:
    """Find the stored drawing that a returning browser still shows, so that its next stroke continues that drawing.

    picture: the PNG on the canvas.
    """
    try:
        latest = services.repository().recent(limit=1, session_id=visitor.session_id())
    except StorageUnavailable:
        return
    visit.taken_up = next((each for each in latest if each.image == picture), None)


def _before(visit: visitor.Visit) -> Drawing | None:
    """The drawing before its latest stroke; None while a label for it is unsent, which the stroke might make wrong."""
    before = visit.drawing
    return None if before and before.id in {each.drawing.id for each in visit.unsent} else before


def show_empty(visit: visitor.Visit, invitation: str) -> None:
    """Show the invitation to give a picture, and the corrections that are still unsent."""
    _show_unsent(visit, start_over=None)
    _invite(visit, invitation)


def _invite(visit: visitor.Visit, invitation: str) -> None:
    lines = f"<b>{visit.thanks}</b><br>{invitation}" if visit.thanks else invitation
    st.html(f'<div class="answer empty" role="status" aria-live="polite"><div>{lines}</div></div>')
    if visit.thanks and visit.labelled is not None:
        _offer_change(visit, visit.labelled)


def _offer_change(visit: visitor.Visit, labelled: Drawing) -> None:
    """Let the visitor mend a wrong tap for as long as the thanks are shown."""
    if not visit.is_changing:
        st.button("Change it", icon=":material/edit:", on_click=_begin_change, args=(visit,))
        return

    def show_list_again() -> None:
        visit.canvas.is_finished = True

    label_buttons.ask("What is it, then?", _label, visit, labelled, show_list_again)
    _ask_for_number(visit, labelled, show_list_again)


def _begin_change(visit: visitor.Visit) -> None:
    visit.is_changing = True


def show(visit: visitor.Visit, start_over: Callable[[], None]) -> None:
    """Show the answer and its label buttons.

    start_over: called once a correction is stored, to make room for the next picture.
    """
    _show_unsent(visit, start_over)
    if visit.problem:
        st.warning(visit.problem, icon=":material/info:")
        return
    found = visit.recognition
    if found is None:
        _invite(visit, "Reading …")
        return
    _show_headline(found)
    time.sleep(
        AHEAD_SECONDS
    )  # the browser draws in one go what arrives together, and eleven label buttons take it a while
    if not visitor.keeps():
        st.caption("Your drawings are not kept, so there is nothing to correct.")
    elif visit.not_kept:
        st.caption(visit.not_kept)
    else:
        if not found.is_stored:
            st.warning(
                "The database can’t be reached, so this drawing was **not stored**. The answer works all the same.",
                icon=AWAY,
            )
        _show_labels(visit, found, start_over)
    # The probabilities assume exactly one digit, so they say nothing about a number or a non-digit.
    has_bars = not found.digits and found.prediction.verdict != Verdict.NOT_A_DIGIT
    bars = probability_bars(found.prediction.probabilities) if has_bars else ""
    st.html(f"{bars}{_seen(found)}")
    if has_bars:
        explanation.show(found)


def _seen(found: Recognition) -> str:
    """What the network sees of a single digit; where each digit of a number, or one in a photo, was found."""
    seen = ""
    if not found.digits:
        frame = gallery.data_url(encode_png(found.frame))
        seen = (
            f'<div class="seen"><img alt="The 28 by 28 picture that the network sees" src="{frame}">'
            "<span>What the network sees: your drawing, cropped, scaled and centred in 28 × 28 pixels.</span></div>"
        )
    if found.drawing.source == "camera" or (found.digits and found.drawing.source != "upload"):
        where = with_boxes(found, alt=f"Your picture, read as {found.drawing.guess or 'no digit'}")
        seen += f'<div class="seen where">{where}<span>What was read, and where.</span></div>'
    return seen


def _show_headline(found: Recognition) -> None:
    prediction = found.prediction
    shown, kind, text = str(prediction.digit), "digit", f"{_unbroken_percent(found.drawing.confidence)} sure"
    if found.drawing.predicted_number is not None:
        shown, kind = found.drawing.predicted_number, "digit number"
        each = " · ".join(f"{digit.digit}:\u00a0{_unbroken_percent(digit.confidence)}" for digit in found.digits)
        text += f"<small>{each}</small>"
        if len(found.digits) == MAX_NUMBER:
            text += f"<small>At most {MAX_NUMBER} digits are read.</small>"
    elif prediction.verdict == Verdict.NOT_A_DIGIT:
        shown = "?"
        text = (
            "This does not look like a digit."
            "<small>If it is one, tap which. Digits side by side need a little room between them.</small>"
        )
    if prediction.verdict == Verdict.UNSURE:
        text += "<small>I am not certain. Which one is it?</small>"
    if found.is_personal:
        text += "<small>Read as you write it.</small>"
    st.html(
        f'<div class="answer" role="status" aria-live="polite"><span class="{kind}">{shown}</span>'
        f'<span class="sure">{text}</span></div>'
    )


def _unbroken_percent(share: float) -> str:
    return as_percent(share).replace(" ", "\u00a0")


def _show_labels(visit: visitor.Visit, found: Recognition, start_over: Callable[[], None]) -> None:
    """Show the buttons that confirm the answer, name another digit or say that it is none; a number is typed."""
    likely = _likely(found)
    is_sure = len(likely) == 1
    with st.container(horizontal=True, gap="small", key="likely") if len(likely) > 1 else nullcontext():
        for label in likely:
            st.button(
                f"Yes, it’s {label_buttons.with_article(label)}"
                if is_sure
                else f"It’s {label_buttons.with_article(label)}",
                key=f"label_likely_{label}",
                type="primary",
                shortcut="Y" if is_sure else None,
                on_click=_label,
                args=(visit, found.drawing, start_over, label),
            )
    label_buttons.ask(
        "No? Tap what it is:" if is_sure else "Tap what it is:",
        _label,
        visit,
        found.drawing,
        start_over,
        has_non_digit=None not in likely,
    )
    if found.prediction.verdict != Verdict.DIGIT:
        _ask_for_number(visit, found.drawing, start_over)


def _likely(found: Recognition) -> tuple[int | str | None, ...]:
    """The labels to offer above all others, likeliest first.

    They always fill one row: the labels below must not move under a finger while the answer changes.
    """
    if found.drawing.predicted_number is not None:
        return (found.drawing.predicted_number,)
    return (None,) if found.prediction.verdict == Verdict.NOT_A_DIGIT else found.prediction.candidates


def _ask_for_number(visit: visitor.Visit, drawing: Drawing, start_over: Callable[[], None]) -> None:
    with st.form("number", border=False):
        left, right = st.columns([2, 1], vertical_alignment="bottom")
        typed = left.text_input("Or is it a number of several digits?", max_chars=MAX_NUMBER, placeholder="2026")
        if right.form_submit_button("Store it", width="stretch"):
            label_buttons.take_number(typed, _label, visit, drawing, start_over)


def _label(visit: visitor.Visit, drawing: Drawing, start_over: Callable[[], None], label: int | str | None) -> None:
    others = visit.unsent_but(drawing)
    try:
        services.recogniser().correct(drawing, label)
    except StorageUnavailable:
        visit.unsent = [*others, visitor.Unsent(drawing, label)]
    except AlreadyProcessed as late:
        start_over()
        visit.thank(str(late), None)
    else:
        visit.unsent = others
        start_over()
        visit.thank(f"Thank you! Stored as {label_buttons.worded(label)}.", drawing)


def _show_unsent(visit: visitor.Visit, start_over: Callable[[], None] | None) -> None:
    if not (unsent := visit.unsent):
        return
    said = ", ".join(f"“{label_buttons.worded(each.label)}”" for each in unsent)
    what = f"Your correction {said} is" if len(unsent) == 1 else f"Your corrections {said} are"
    waits = "it waits" if len(unsent) == 1 else "they wait"
    with st.container(horizontal=True, vertical_alignment="center", key="unsent"):
        st.error(
            f"The database can’t be reached. {what} **not stored yet**; {waits} here.",
            icon=AWAY,
        )
        st.button(
            "Send again", icon=":material/refresh:", type="primary", on_click=_send_again, args=(visit, start_over)
        )


def _send_again(visit: visitor.Visit, start_over: Callable[[], None] | None) -> None:
    """Store the waiting corrections, oldest first, until the database fails; the rest of the page stays as it is."""
    sent = []
    for each in visit.unsent:
        try:
            services.recogniser().correct(each.drawing, each.label)
        except StorageUnavailable:
            break
        except AlreadyProcessed:
            pass  # a retraining has learned from it in the meantime
        sent.append(each)
    visit.unsent = visit.unsent[len(sent) :]
    if not sent:
        return
    thanks = f"Thank you! Stored as {', '.join(label_buttons.worded(each.label) for each in sent)}."
    found = visit.recognition
    is_of_it = found is not None and found.drawing.id in {each.drawing.id for each in sent}
    if start_over is not None and is_of_it:
        start_over()
    if visit.recognition is None:
        visit.thank(thanks, None)
    if start_over is None or not is_of_it:
        st.toast(thanks)
