"""The administrator's page: sign in, review disputed labels, export and import labelled drawings."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from mnist import services
from mnist.archive.export import BadArchive
from mnist.archive.importing import Imported, take_over
from mnist.archive.labelled_files import labelled_in_file
from mnist.drawing import Drawing, StorageUnavailable, UnknownPrediction
from mnist.recognition.recogniser import Recogniser
from mnist.ui import admin_session, gallery, label_buttons
from mnist.ui.admin_session import is_signed_in
from mnist.ui.boxes import boxed
from mnist.ui.notices import show_outage
from mnist.ui.session_state import memory
from mnist.web.sign_in import TooManyAttempts

# The second tap of a double tap, or a key held down, must not decide about the next drawing, which nobody has seen yet.
DOUBLE_TAP_SECONDS = 0.7


@dataclass(slots=True)
class Desk:
    """What the page remembers of an administrator's visit.

    next_shown_at: when the present disputed label appeared, in seconds of the monotonic clock; infinite from a decision
    until the page shows the next label.
    """

    decided: str | None = None
    problem: str | None = None
    next_shown_at: float = -math.inf
    imported: str | None = None  # id of the imported file
    import_summary: str = ""


def show() -> None:
    desk = memory(Desk)
    st.title("Administration", anchor=False)
    if not is_signed_in():
        _ask_for_password()
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption("You see and change everybody’s drawings under History, and the network’s versions under Model.")
        st.button(
            "Sign out", icon=":material/logout:", on_click=admin_session.end, args=(admin_session.admin_session(),)
        )
    _warn_of_full_database()
    _show_review(desk)
    _show_transfer(desk, services.recogniser())


def _ask_for_password() -> None:
    st.caption("For whoever runs this application: the password is ADMIN_PASSWORD on the server.")
    with st.form("sign_in", width=360):
        password = st.text_input("Password", type="password", autocomplete="current-password")
        if not st.form_submit_button("Sign in", type="primary"):
            return
    try:
        if services.sign_in().admits(password, admin_session.address()):
            admin_session.begin()
            st.rerun()
        st.error("That is not the password.", icon=":material/lock:")
    except TooManyAttempts as error:
        st.error(str(error), icon=":material/lock_clock:")


def _warn_of_full_database() -> None:
    room = services.room()
    if not room.is_nearly_full:
        return
    has = f"The database has {(room.size or 0) / 2**20:,.0f} MB of the {room.most / 2**20:,.0f} that it may have"
    if room.is_full:
        st.error(
            f"{has}: **new drawings are read and not kept**. Delete some under History, or raise DATABASE_MAX_MB.",
            icon=":material/error:",
        )
    else:
        st.warning(f"{has} (DATABASE_MAX_MB). Beyond it new drawings are read and not kept.", icon=":material/warning:")


# --- review


def _show_review(desk: Desk) -> None:
    st.header("Disputed labels", anchor=False, divider="gray")
    if desk.problem:
        st.error(desk.problem)
    try:
        waiting = services.administration().waiting_for_review()
        drawings = services.administration().to_review(limit=1)
    except StorageUnavailable:
        show_outage("The disputed labels can’t be shown")
        return
    if desk.decided:
        st.caption(desk.decided)
    if not drawings:
        st.caption("None. Labels that a retraining does not believe wait here for your decision.")
        return
    _show_disputed(desk, drawings[0], waiting)


def _show_disputed(desk: Desk, drawing: Drawing, waiting: int) -> None:
    _note_shown(desk)
    left, right = st.columns([46, 54], gap="medium")
    with left:
        st.html(boxed(drawing.image, (), "", alt=gallery.described(drawing)))
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
                    args=(desk, drawing, accept),
                )
            if drawing.guess != drawing.truth:
                st.button(
                    f"It is {label_buttons.with_article(drawing.guess)}",
                    key=f"read_{drawing.id}",
                    on_click=_relabel,
                    args=(desk, drawing, drawing.guess),
                )
        label_buttons.ask("Or it is:", _relabel, desk, drawing)
        number = f"{label_buttons.how_many(waiting)} {'waits' if waiting == 1 else 'wait'}"
        st.caption(f"{number}. The next retraining follows your decision.")


def _note_shown(desk: Desk) -> None:
    """Note the time, if the drawing on the page is the first one after a decision."""
    if desk.next_shown_at == math.inf:
        desk.next_shown_at = time.monotonic()


def _decide(desk: Desk, drawing: Drawing, accept: bool) -> None:
    if _is_meant(desk):
        said = f"The label “{label_buttons.worded(drawing.truth)}” of the drawing before is"
        _store(
            desk,
            partial(services.administration().review, drawing.id, accept=accept),
            f"{said} {'kept' if accept else 'discarded'}.",
        )


def _relabel(desk: Desk, drawing: Drawing, label: int | str | None) -> None:
    """Give the drawing another label, which counts as reviewed."""
    if _is_meant(desk):
        _store(
            desk,
            partial(services.administration().relabel, drawing.id, label),
            f"The drawing before is stored as {label_buttons.worded(label)}.",
        )


def _is_meant(desk: Desk) -> bool:
    """Whether a decision was meant for the drawing on the page, and not for the one before."""
    now = time.monotonic()
    if now - desk.next_shown_at < DOUBLE_TAP_SECONDS:
        desk.next_shown_at = max(now, desk.next_shown_at)  # the key is still down
        return False
    desk.next_shown_at = (
        math.inf
    )  # not the present time: on a busy machine the next drawing appears later than a double tap takes
    return True


def _store(desk: Desk, decide: Callable[[], None], decided: str) -> None:
    desk.problem = desk.decided = None
    try:
        decide()
    except (StorageUnavailable, UnknownPrediction) as error:
        desk.problem = f"Not stored: {error}"
    else:
        desk.decided = decided


# --- export and import


def _show_transfer(desk: Desk, recogniser: Recogniser) -> None:
    st.header("Labelled drawings", anchor=False, divider="gray")
    st.caption("One zip file: a table (drawings.csv) and a PNG for each drawing.")
    st.link_button(
        "Export",
        f"api/export?ticket={services.sign_in().ticket(admin_session.admin_session().sign_in or '')}",
        icon=":material/download:",
    )
    chosen = st.file_uploader(
        "Import an export, or pictures with labels of your own",
        type=["zip", "csv", "gz"],
        help="A zip with pictures in folders 0 to 9, with a table of the columns file and label, or with MNIST’s IDX "
        "files; a CSV with a label and 784 numbers a line; or what another machine exported. Drawings that are here "
        "already are left unchanged; new ones are read by the current network and keep their labels. "
        "Larger files: python -m mnist.transfer import FILE.",
    )
    if chosen is None:
        return
    if desk.imported != chosen.file_id:
        try:
            imported = _import(chosen, recogniser)
        except (BadArchive, StorageUnavailable) as error:
            st.error(str(error))
            return
        desk.imported, desk.import_summary = chosen.file_id, imported.summary
    st.success(desk.import_summary)


def _import(file: Any, recogniser: Recogniser) -> Imported:
    """file: from the uploader."""
    labelled = labelled_in_file(file, file.name)
    bar = st.progress(0.0, "Importing …")

    def show(done: int) -> None:
        share = min(1.0, done / labelled.total) if labelled.total else 0.0
        bar.progress(share, f"{done:,} drawings …" if labelled.total is None else f"{done:,} of {labelled.total:,} …")

    try:
        return take_over(labelled, recogniser.reread, services.administration(), on_progress=show)
    finally:
        bar.empty()
