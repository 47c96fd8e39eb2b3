"""The history: a visitor's own drawings (everybody's for an administrator), page by page, with filters and deletion."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from mnist import services
from mnist.drawing import Record, StorageUnavailable, Verdict
from mnist.store.history import NON_DIGIT, NUMBER, SEARCHED, Place, Wanted
from mnist.ui import admin_session, gallery, visitor
from mnist.ui.local_time import local, zone
from mnist.ui.notices import show_outage
from mnist.ui.session_state import memory
from mnist.ui.views.drawing import DrawingActions
from mnist.ui.views.drawing import show as show_drawing

PAGE = 24
STATES = {"any": "All", "unlabelled": "Not labelled", "right": "Right", "wrong": "Wrong"}
VERDICTS = {
    Verdict.DIGIT: "sure",
    Verdict.NUMBER: "a sure number",
    Verdict.UNSURE: "unsure",
    Verdict.NOT_A_DIGIT: "not a digit",
}
SOURCES = ("canvas", "upload", "camera", "api")


@dataclass(slots=True)
class Book:
    """What the list remembers between runs. pages: where each page begins, up to the one that is open."""

    pages: list[Place | None] = field(default_factory=lambda: [None])
    is_turned: bool = False
    deleted: str | None = None


def show() -> None:
    if drawing := st.query_params.get("drawing"):
        show_drawing(drawing)
        return
    book = memory(Book)
    if (actions := memory(DrawingActions)).deleted:
        st.toast(actions.deleted)
        actions.deleted = None
    if book.deleted:
        st.toast(book.deleted)
        book.deleted = None
    sees_all = _choose_owner(book)
    wanted = _choose_filters(book, None if sees_all else visitor.session_id())
    pages = _pages(book)
    try:
        page = services.history().page(wanted, limit=PAGE, before=pages[-1])
        if page.drawings and admin_session.is_signed_in():
            gallery.show_with_buttons(page.drawings, open_drawing)
        elif page.drawings:
            gallery.show(page.drawings, filters=urlencode(st.query_params.to_dict()))
    except StorageUnavailable:
        show_outage("The list can’t be shown")
        return
    if not page.drawings:
        if page.older is not None:
            st.info(
                f"No match in the latest {SEARCHED:,} drawings (back to {local(page.older[0]):%Y-%m-%d}). "
                "Press Older to search further."
            )
        elif wanted != Wanted(wanted.session_id) or len(pages) > 1:
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


def _pages(book: Book) -> list[Place | None]:
    """The places where the pages up to the open one begin.

    The address names the open page, so that the browser's Back turns pages and a visitor who returns from a drawing
    finds the same page. If the pages before it are unknown, Newer leads to the first one.
    """
    place = _place(st.query_params.get("before", ""))
    book.pages = book.pages[: book.pages.index(place) + 1] if place in book.pages else [None, place]
    if book.is_turned:
        top = "document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0)"
        st.html(f"<script>{top}</script>", unsafe_allow_javascript=True)
        book.is_turned = False
    return book.pages


def _place(text: str) -> Place | None:
    """Parse a place from the address ("MOMENT~DRAWING_ID"); None for anything else."""
    moment, _, drawing = text.partition("~")
    try:
        place = datetime.fromisoformat(moment), uuid.UUID(drawing)
    except ValueError:
        return None
    return place if place[0].tzinfo else None


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
        "Whose", ["Everybody’s", "Mine"], default="Everybody’s", required=True, on_change=_first_page, args=(book,)
    )
    return whose != "Mine"


def _choose_filters(book: Book, session_id: str | None) -> Wanted:
    """Show the filters, which the address holds, and return the choice; a change goes back to the first page."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = st.segmented_control(
            "Label",
            options=list(STATES),
            format_func=STATES.__getitem__,
            default="any",
            key="label",
            bind="query-params",
            on_change=_first_page,
            args=(book,),
        )
        digit = _choose(book, "Read as", range(10), key="read")
        with st.popover("More", icon=":material/filter_list:"):
            truth = _choose(book, "Labelled as", (*map(str, range(10)), NON_DIGIT, NUMBER), key="truth")
            verdict = _choose(book, "Verdict", VERDICTS, VERDICTS.__getitem__, key="verdict")
            source = _choose(book, "Source", SOURCES, key="source")
            version = _choose(book, "Read by version", _versions(), key="version")
            days = st.date_input(  # type: ignore[call-overload]
                "Days",
                value=(),
                format="YYYY-MM-DD",
                key="days",
                bind="query-params",
                on_change=_first_page,
                args=(book,),
            )
    since, until = _moments(days)
    return Wanted(session_id, state or "any", digit, verdict, source, version, truth, since, until)


def _choose(book: Book, name: str, options: Any, as_text: Callable[[Any], str] = str, *, key: str) -> Any:
    """Show a select box; returns one of the options, or None for any."""
    return st.selectbox(
        name,
        [None, *options],
        format_func=lambda one: "any" if one is None else as_text(one),
        width=120,
        key=key,
        bind="query-params",
        on_change=_first_page,
        args=(book,),
    )


def _versions() -> list[int]:
    try:
        return [version.version for version in services.registry().versions() if version.status != "rejected"]
    except StorageUnavailable:
        return []


def _moments(days: Any) -> tuple[datetime | None, datetime | None]:
    """Midnights in the browser's time zone that begin the first day and end the last one; half a range is one day."""
    chosen = list(days) if isinstance(days, tuple) else [days]
    if not chosen or chosen[0] is None:
        return None, None
    midnights = [datetime.combine(day, time(), zone()) for day in chosen]
    return midnights[0], midnights[-1] + timedelta(days=1)


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
        st.query_params["before"] = f"{place[0].isoformat()}~{place[1]}"
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
