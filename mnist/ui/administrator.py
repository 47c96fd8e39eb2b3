"""The page of whoever runs this: sign in, decide about disputed labels, carry drawings to another machine."""

from __future__ import annotations

import math
import time

import streamlit as st

from mnist import services
from mnist.recognition import Recogniser
from mnist.repository import Drawing, StorageUnavailable, UnknownPrediction
from mnist.sign_in import TooManyAttempts
from mnist.transfer import BadArchive, take_over
from mnist.ui import gallery, labels

# Nobody has looked at the next drawing yet: the second tap of a double one, or a key that is held, does not decide it.
DOUBLE_TAP_SECONDS = 0.7


def is_signed_in() -> bool:
    """Only for this visit: a reload of the page, or another window, asks for the password again."""
    return services.sign_in().is_on and bool(st.session_state.get("administrator"))


def show() -> None:
    st.title("Administration", anchor=False)
    if not is_signed_in():
        _ask_for_password()
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption("You see and change everybody’s drawings under History, and the network’s versions under Model.")
        st.button("Sign out", icon=":material/logout:", on_click=_sign_out)
    _show_review()
    _show_transfer(services.recogniser())


def _ask_for_password() -> None:
    st.caption("For whoever runs this application: the password is ADMIN_PASSWORD on the server.")
    with st.form("sign_in", width=360):
        password = st.text_input("Password", type="password", autocomplete="current-password")
        if not st.form_submit_button("Sign in", type="primary"):
            return
    try:
        if services.sign_in().admits(password, st.context.ip_address or "127.0.0.1"):
            st.session_state["administrator"] = True
            st.rerun()
        st.error("That is not the password.", icon=":material/lock:")
    except TooManyAttempts as error:
        st.error(str(error), icon=":material/lock_clock:")


def _sign_out() -> None:
    st.session_state["administrator"] = False


# --- review


def _show_review() -> None:
    st.subheader("Disputed labels", anchor=False, divider="gray")
    if problem := st.session_state.pop("review_problem", None):
        st.error(problem)
    try:
        waiting = services.administration().waiting_for_review()
        drawings = services.administration().to_review(limit=1)
    except StorageUnavailable:
        st.info("The disputed labels can’t be shown: the database can’t be reached.", icon=":material/cloud_off:")
        return
    if decided := st.session_state.get("decided"):
        st.caption(decided)
    if not drawings:
        st.caption("None. Labels that a retraining does not believe wait here for your decision.")
        return
    _show_disputed(drawings[0], waiting)


def _show_disputed(drawing: Drawing, waiting: int) -> None:
    _note_shown()
    left, right = st.columns([46, 54], gap="medium")
    with left:
        st.image(drawing.image, width=260, alt=gallery.described(drawing))
    with right:
        st.html(
            f'<div class="answer"><span class="digit">{gallery.truth_of(drawing)}</span>'
            f'<span class="sure">is what a person said<small>The network read '
            f"{gallery.guess_of(drawing)}, {gallery.how_sure(drawing)}.</small></span></div>"
        )
        with st.container(horizontal=True, key="decide"):
            for text, key, accept in (("Keep the label", "K", True), ("Discard it", "D", False)):
                st.button(
                    text,
                    key=f"{key}_{drawing.id}",
                    shortcut=key,
                    type="primary" if accept else "secondary",
                    on_click=_decide,
                    args=(drawing, accept),
                )
        number = f"{labels.how_many(waiting)} {'waits' if waiting == 1 else 'wait'}"
        st.caption(f"{number}. The next retraining follows your decision.")


def _note_shown() -> None:
    """A decision was made, and the next drawing is on the page from now on."""
    if st.session_state.get("next_shown_at") == math.inf:
        st.session_state["next_shown_at"] = time.monotonic()


def _decide(drawing: Drawing, accept: bool) -> None:
    now, shown_at = time.monotonic(), st.session_state.get("next_shown_at", -math.inf)
    if now - shown_at < DOUBLE_TAP_SECONDS:
        st.session_state["next_shown_at"] = max(now, shown_at)  # the key is still held
        return
    st.session_state["next_shown_at"] = math.inf  # not yet: on a busy machine that takes longer than a double tap
    try:
        services.labels().review(drawing.id, accept=accept)
    except (StorageUnavailable, UnknownPrediction) as error:
        st.session_state["review_problem"] = f"Not stored: {error}"
    else:
        said = "kept" if accept else "discarded"
        st.session_state["decided"] = f"The label “{labels.as_text(drawing.truth)}” of the drawing before is {said}."


# --- export and import


def _show_transfer(recogniser: Recogniser) -> None:
    st.subheader("Labelled drawings", anchor=False, divider="gray")
    st.caption("One zip file: a table (drawings.csv) and a PNG for each drawing.")
    st.link_button("Export", f"api/export?ticket={services.sign_in().ticket()}", icon=":material/download:")
    chosen = st.file_uploader(
        "Import a file that another machine exported",
        type="zip",
        help="Drawings that are here already are left unchanged; new ones are read by the current network and "
        "keep their labels. Larger files: python -m mnist.transfer import FILE.",
    )
    if chosen is None or st.session_state.get("imported") == chosen.file_id:
        return
    try:
        with st.spinner("Importing …"):
            imported = take_over(chosen, recogniser.reread, services.administration().add_new)
    except (BadArchive, StorageUnavailable) as error:
        st.error(str(error))
    else:
        st.session_state["imported"] = chosen.file_id
        st.success(imported.summary)
