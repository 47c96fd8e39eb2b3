"""The history: a visitor's own drawings (everybody's for an administrator), page by page, with filters and deletion."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from urllib.parse import urlencode

import streamlit as st

from mnist import services
from mnist.drawing import Record, StorageUnavailable, plural
from mnist.store.history import SEARCHED, SORTED, Place, Wanted
from mnist.ui import admin_session, gallery, history_filters, ticks, visitor
from mnist.ui.local_time import local
from mnist.ui.notices import show_outage
from mnist.ui.session_state import memory
from mnist.ui.views.drawing import DrawingActions
from mnist.ui.views.drawing import show as show_drawing

PAGE = 24
EVERYBODYS, MINE = "Everybody’s", "Mine"


@dataclass(slots=True)
class Book:
    """What the list remembers between runs.

    pages: where each page begins, up to the one that is open.
    wanted: what it showed last; None: nothing yet in this visit.
    """

    pages: list[Place | None] = field(default_factory=lambda: [None])
    is_turned: bool = False
    deleted: str | None = None
    wanted: Wanted | None = None


def show() -> None:
    book = memory(Book)
    if drawing := st.query_params.get("drawing"):
        show_drawing(drawing, _list_around(book))
        return
    if (actions := memory(DrawingActions)).deleted:
        st.toast(actions.deleted)
        actions.deleted = None
    if book.deleted:
        st.toast(book.deleted)
        book.deleted = None
    sees_all = _choose_owner(book)
    wanted = history_filters.choose(None if sees_all else visitor.session_id(), partial(_first_page, book))
    book.wanted = wanted
    pages = _pages(book, wanted)
    try:
        page = services.history().page(wanted, limit=PAGE, before=pages[-1])
        if page.drawings:
            _show_drawings(page.drawings, wanted, pages[-1])
    except StorageUnavailable:
        show_outage("The list can’t be shown")
        return
    if not page.drawings:
        if page.older is not None and not wanted.least_sure:
            st.info(
                f"No match in the latest {SEARCHED:,} drawings (back to {local(page.older[0]):%Y-%m-%d}). "
                "Press Older to search further."
            )
        elif wanted != Wanted(wanted.session_id, least_sure=wanted.least_sure) or len(pages) > 1:
            st.info("Nothing matches. Choose another filter.")
        else:
            st.info("Nothing yet. What you draw appears here.")
            return
    with st.container(horizontal=True):
        st.button("Newer", icon=":material/chevron_left:", disabled=len(pages) == 1, on_click=_go_newer, args=(book,))
        st.button(
            "Older",
            icon=":material/chevron_right:",
            disabled=page.older is None,
            on_click=_go_older,
            args=(book, page.older),
        )
    if not sees_all:
        _offer_to_delete_all(book)


def _show_drawings(drawings: Sequence[Record], wanted: Wanted, place: Place | None) -> None:
    """Show one page of the list, whose drawings open at a tap, or can be ticked to label several at once."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(_how_many(wanted))
        selects = st.toggle("Select several", key="selects")
    if selects:
        is_administrator = admin_session.is_signed_in()
        ticks.show(
            drawings,
            (wanted, place),
            services.administration().relabel if is_administrator else services.recogniser().correct_by_id,
        )
    elif admin_session.is_signed_in():
        gallery.show_with_buttons(drawings, open_drawing)
    else:
        gallery.show(drawings, filters=urlencode(_address(), doseq=True))


def _how_many(wanted: Wanted) -> str:
    count, is_all = services.history().count(wanted)
    text = f"{plural(count, 'drawing')}" if count < 1_000 else f"{count:,} drawings"
    if not is_all:
        text += f" among the latest {SEARCHED:,}"
    if wanted.least_sure:
        text += "; the least sure first" + (f" of the latest {SORTED:,}" if count > SORTED else "")
    return text


def _address() -> dict[str, list[str]]:
    return {key: st.query_params.get_all(key) for key in st.query_params}


def _list_around(book: Book) -> Wanted:
    """The list from which a drawing was opened: by a button in this visit, or by a link, whose address tells."""
    whose = None if admin_session.is_signed_in() else visitor.session_id()
    if book.wanted is None:
        return history_filters.from_address(whose, _address())
    return replace(book.wanted, session_id=whose or book.wanted.session_id)


def _pages(book: Book, wanted: Wanted) -> list[Place | None]:
    """The places where the pages up to the open one begin.

    The address names the open page, so that the browser's Back turns pages and a visitor who returns from a drawing
    finds the same page. If the pages before it are unknown, Newer leads to the first one.
    """
    place = _place(st.query_params.get("before", ""), wanted)
    book.pages = book.pages[: book.pages.index(place) + 1] if place in book.pages else [None, place]
    if book.is_turned:
        top = "document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0)"
        st.html(f"<script>{top}</script>", unsafe_allow_javascript=True)
        book.is_turned = False
    return book.pages


def _place(text: str, wanted: Wanted) -> Place | None:
    """Parse a place from the address, "MOMENT~DRAWING_ID" after "CONFIDENCE~" in that order; None for anything else."""
    *before, moment, drawing = ["", *text.split("~")]
    try:
        place = datetime.fromisoformat(moment), uuid.UUID(drawing)
        confidence = [float(each) for each in before[1:]]
    except ValueError:
        return None
    is_whole = len(confidence) == wanted.least_sure and all(0 <= each <= 1 for each in confidence)
    return (*confidence, *place) if place[0].tzinfo and is_whole else None


def open_drawing(drawing: Record) -> None:
    st.query_params["drawing"] = str(drawing.id)


def _choose_owner(book: Book) -> bool:
    """Whether everybody's drawings are shown."""
    if not admin_session.is_signed_in():
        st.title("Your drawings", anchor=False)
        st.caption("What you drew in this browser. Nobody else sees this list.")
        return False
    st.title("Drawings", anchor=False)
    whose = st.segmented_control(
        "Whose",
        [EVERYBODYS, MINE],
        default=EVERYBODYS,
        required=True,
        on_change=_first_page,
        args=(book,),
    )
    return whose != MINE


def _first_page(book: Book) -> None:
    _go_to(book, [None])


def _go_newer(book: Book) -> None:
    book.is_turned = True
    _go_to(book, book.pages[:-1] or [None])


def _go_older(book: Book, place: Place) -> None:
    if book.pages[-1] != place:  # the second click of a double click brings the same place
        book.is_turned = True
        _go_to(book, [*book.pages, place])


def _go_to(book: Book, pages: list[Place | None]) -> None:
    book.pages = pages
    if place := pages[-1]:
        *confidence, moment, drawing = place
        st.query_params["before"] = "~".join([*map(repr, confidence), moment.isoformat(), str(drawing)])
    else:
        st.query_params.pop("before", None)


def _offer_to_delete_all(book: Book) -> None:
    with st.popover("Delete my drawings", icon=":material/delete_forever:"):
        st.write("This removes every drawing of yours and what you said about them, for good.")
        st.button(
            "Yes, delete them all",
            type="primary",
            on_click=_delete_all,
            args=(book, visitor.visit(), visitor.session_id()),
        )


def _delete_all(book: Book, visit: visitor.Visit, session_id: str) -> None:
    try:
        count = services.repository().delete(session_id)
    except StorageUnavailable:
        book.deleted = "Nothing was deleted: the database can’t be reached. Try again later."
        return
    if count == 0:
        return  # the second tap of a double tap
    book.deleted = "One drawing is deleted." if count == 1 else f"{count} drawings are deleted."
    visit.forget()
    visit.unsent = []  # otherwise a waiting correction would bring its drawing back
    visit.thank(None, None)
    _first_page(book)
