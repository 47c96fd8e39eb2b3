"""A visitor's drawings, page by page; one of them on a page of its own; and the way to delete them."""

from __future__ import annotations

import streamlit as st

from mnist import services
from mnist.repository import Drawing, StorageUnavailable, Wanted
from mnist.ui import detail, gallery, visitor

PAGE = 24
STATES = {"any": "All", "unlabelled": "Not labelled", "right": "Right", "wrong": "Wrong"}


def show() -> None:
    if drawing := st.query_params.get("drawing"):
        detail.show(drawing)
        return
    if deleted := st.session_state.pop("deleted", None):
        st.toast(deleted)
    st.title("Your drawings", anchor=False)
    st.caption("What you drew in this browser. Nobody else sees this list.")
    wanted = _ask()
    pages: list[Drawing | None] = st.session_state.setdefault("history_pages", [None])
    try:
        # One more than is shown tells whether there is a next page.
        drawings = services.recogniser().history(wanted, limit=PAGE + 1, before=pages[-1])
    except StorageUnavailable:
        st.info("The list can’t be shown: the database can’t be reached.", icon=":material/cloud_off:")
        return
    if not drawings:
        is_filtered = wanted != Wanted(wanted.session_id)
        st.info(
            "Nothing matches. Choose another filter." if is_filtered else "Nothing yet. What you draw appears here."
        )
        return
    gallery.show(drawings[:PAGE])
    with st.container(horizontal=True):
        st.button("Newer", icon=":material/chevron_left:", disabled=len(pages) == 1, on_click=_go_newer)
        st.button(
            "Older",
            icon=":material/chevron_right:",
            disabled=len(drawings) <= PAGE,
            on_click=_go_older,
            args=(drawings[:PAGE][-1],),
        )
    _offer_to_delete_all()


def _ask() -> Wanted:
    """The filters; changing one goes back to the first page."""

    def first_page() -> None:
        st.session_state["history_pages"] = [None]

    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = st.segmented_control(
            "Label", options=list(STATES), format_func=STATES.__getitem__, default="any", on_change=first_page
        )
        digit = st.selectbox("Read as", options=["any", *range(10)], width=120, on_change=first_page)
    return Wanted(visitor.session_id(), state or "any", digit if isinstance(digit, int) else None)


def _go_newer() -> None:
    st.session_state["history_pages"].pop()


def _go_older(last: Drawing) -> None:
    st.session_state["history_pages"].append(last)


def _offer_to_delete_all() -> None:
    with st.popover("Delete my drawings", icon=":material/delete_forever:"):
        st.write("This removes every drawing of yours and what you said about them, for good.")
        st.button("Yes, delete them all", type="primary", on_click=_delete_all)


def _delete_all() -> None:
    try:
        count = services.recogniser().delete(visitor.session_id())
    except StorageUnavailable:
        st.session_state["deleted"] = "Nothing was deleted: the database can’t be reached. Try again later."
        return
    st.session_state["deleted"] = f"{count} drawings are deleted."
    st.session_state["history_pages"] = [None]
    visitor.forget()
