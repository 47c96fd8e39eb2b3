"""A class sheet on the page: the page to print, and what people wrote on it, for a look before it is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import streamlit as st

from mnist import services
from mnist.drawing import DatabaseFull, Drawing, Origin, StorageUnavailable, plural
from mnist.recognition.class_sheet import recognise_sheet
from mnist.ui import admin_session, gallery, visitor
from mnist.ui.notices import AWAY
from mnist.vision.class_sheet import TooFewMarks, as_pdf
from mnist.vision.image_files import BadImage
from mnist.vision.thumbnail import thumbnail
from mnist.web.client_address import network_of

SHOWN_BYTES = 3_000
SHOWN = 56  # pixels, the longer side of a digit in the list: a hundred are 100 kB


def offer() -> None:
    """Show where the page to print is."""
    with st.expander("Many at once: a sheet of paper for a class", icon=":material/grid_on:"):
        st.write(
            "Print the sheet, let people write each digit ten times, photograph the whole page and upload it here. "
            "You see what was found before anything is stored."
        )
        st.download_button(
            "The sheet to print (PDF)",
            as_pdf(),
            file_name="class-sheet.pdf",
            mime="application/pdf",
            icon=":material/download:",
            on_click="ignore",
        )


def read(visit: visitor.Visit, data: bytes) -> bool:
    """Keep what a class sheet holds in `visit`. Returns False when the picture is no such page.

    data: an encoded picture; the same bytes as last time are not read again.
    """
    digest = hashlib.sha256(data).hexdigest()
    if visit.read_digest == digest:
        return visit.sheet is not None
    try:
        found = recognise_sheet(
            services.recogniser(), data, Origin("upload", visitor.session_id(), network=visitor.network())
        )
    except TooFewMarks as problem:
        visit.forget(problem=str(problem))
        visit.read_digest = digest
        return False
    except BadImage:
        return False  # whoever reads it as one picture says the same of it
    if found is None:
        return False
    visit.forget()
    visit.sheet, visit.read_digest = found, digest
    return True


def show(visit: visitor.Visit, start_over: Callable[[], None]) -> None:
    """Show the digits row by row and the button that stores them. start_over: called once they are stored."""
    found = visit.sheet or []
    otherwise = [place for place, drawing in enumerate(found) if drawing.guess != drawing.truth]
    st.subheader(f"A class sheet with {plural(len(found), 'digit')}", anchor=False)
    if not found:
        st.info("All its boxes are empty.", icon=":material/info:")
        return
    st.html(f'<div class="class-sheet">{"".join(_row(digit, found) for digit in range(10))}</div>')
    left_out: Sequence[int] = ()
    if otherwise:
        were = plural(len(otherwise), "is", "are")
        left_out = st.pills(
            f"{were} read as something else (framed). Tap what should not be stored:",
            otherwise,
            selection_mode="multi",
            format_func=lambda place: _named(found, place),
            key=f"left_out_{visit.pictures}",
        )
    if not visitor.keeps():
        st.caption("Your drawings are not kept, so nothing of the sheet is stored.")
        return
    if visit.problem:
        st.error(visit.problem, icon=AWAY)
    wanted = [drawing for place, drawing in enumerate(found) if place not in left_out]
    st.button(
        f"Store {plural(len(wanted), 'digit')}",
        type="primary",
        disabled=not wanted,
        on_click=_store,
        args=(visit, wanted, start_over),
    )


def _store(visit: visitor.Visit, wanted: Sequence[Drawing], start_over: Callable[[], None]) -> None:
    network = network_of(admin_session.address())
    if services.storing().wait(network) > 0:
        visit.problem = "From your network so much was stored that no more is taken for now. The sheet waits here."
        return
    try:
        services.recogniser().store_labelled(wanted)
    except DatabaseFull:
        visit.problem = "There is no room left here. **Nothing is stored**; the sheet waits here."
        return
    except StorageUnavailable:
        visit.problem = "The database can’t be reached. **Nothing is stored yet**; the sheet waits here."
        return
    services.storing().spend(network, sum(drawing.stored_bytes for drawing in wanted))
    start_over()
    visit.thank(f"Thank you! {plural(len(wanted), 'digit')} of the sheet stored.", None)


def _named(found: Sequence[Drawing], place: int) -> str:
    drawing = found[place]
    nth = 1 + sum(each.truth == drawing.truth for each in found[:place])
    return f"{drawing.truth}, no. {nth}: read as {drawing.guess or 'no digit'}"


def _row(digit: int, found: Sequence[Drawing]) -> str:
    cells = "".join(_cell(drawing) for drawing in found if drawing.true_label == digit)
    return f"<div><b>{digit}</b>{cells}</div>" if cells else ""


def _cell(drawing: Drawing) -> str:
    read = gallery.guess_of(drawing)
    state = "right" if drawing.guess == drawing.truth else "wrong"
    picture = gallery.data_url(thumbnail(drawing.image, SHOWN, SHOWN_BYTES))
    return f'<img class="{state}" src="{picture}" alt="A {drawing.truth}, read as {read}" title="read as {read}">'
