"""The gallery: drawings with the network's reading and the person's label; a tap on one opens its page."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape

import streamlit as st

from mnist.drawing import Record
from mnist.ui import label_buttons
from mnist.ui.probabilities import as_percent
from mnist.ui.session_state import memory
from mnist.ui.thumbnails import thumbnails


@dataclass(slots=True)
class Chosen:
    """The drawing that the next run of the script opens."""

    drawing: Record | None = None


def show(drawings: Sequence[Record], *, filters: str = "") -> None:
    """Show the drawings, each linked to its own page.

    filters: the history's filters as a query string, so that a drawing's page can lead back to the same list.
    Raises StorageUnavailable, as `show_with_buttons` does: the pictures are read here.
    """
    st.html(as_html(drawings, thumbnails(drawings), filters))


def show_with_buttons(drawings: Sequence[Record], open_: Callable[[Record], None], *, key: str = "pictures") -> None:
    """Show the drawings with buttons, for an administrator: a link would begin a new visit and lose the sign-in."""
    pictures = thumbnails(drawings)
    with st.container(horizontal=True, gap="small", key=key):
        for drawing in drawings:
            with st.container(width=104, gap="small"):
                st.html(f'<div class="latest">{_picture(drawing, pictures)}</div>')
                st.button(
                    in_brief(drawing),
                    key=f"{key}_{drawing.id}",
                    width="stretch",
                    on_click=open_,
                    args=(drawing,),
                )


def as_html(drawings: Sequence[Record], pictures: Mapping[uuid.UUID, bytes], filters: str = "") -> str:
    """The drawings as HTML figures, each linked to its own page. pictures: small ones, by drawing id."""
    return f'<div class="latest">{"".join(_figure(each, pictures, filters) for each in drawings)}</div>'


def data_url(picture: bytes) -> str:
    """A PNG or WebP file as a data URL."""
    kind = "webp" if picture[8:12] == b"WEBP" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def guess_of(drawing: Record) -> str:
    return escape(drawing.guess or "?")


def described(drawing: Record) -> str:
    """Alternative text for people who can't see the picture."""
    return f"Drawing read as {guess_of(drawing)}"


def truth_of(drawing: Record) -> str:
    return escape(label_buttons.worded(drawing.truth))


def how_sure(drawing: Record) -> str:
    """Confidence in words; "not a digit" when none was read, because the likeliest digit's share says nothing then."""
    return "not a digit" if drawing.guess is None else f"{as_percent(drawing.confidence)} sure"


def verdict(drawing: Record) -> tuple[str, str]:
    """How the label compares with the reading: (CSS class, text)."""
    if not drawing.is_labelled:
        return "open", "not labelled"
    is_right = drawing.truth == drawing.guess
    return ("right", f"✓ it is {truth_of(drawing)}") if is_right else ("wrong", f"✗ it is {truth_of(drawing)}")


def in_brief(drawing: Record) -> str:
    """What was read and whether that is right, in a few characters: "1", "1 ✓" or "1 ✗ 7"."""
    if not drawing.is_labelled:
        return guess_of(drawing)
    return f"{guess_of(drawing)} {'✓' if drawing.truth == drawing.guess else f'✗ {truth_of(drawing)}'}"


def _figure(drawing: Record, pictures: Mapping[uuid.UUID, bytes], filters: str) -> str:
    address = f"history?drawing={drawing.id}{escape('&' + filters) if filters else ''}"
    read = guess_of(drawing)
    state, text = verdict(drawing)
    return (
        f'<a href="{address}" target="_self">'
        f"<figure>{_picture(drawing, pictures)}"
        f'<figcaption>read as <b>{read}</b><br><span class="{state}">{text}</span></figcaption>'
        "</figure></a>"
    )


def _picture(drawing: Record, pictures: Mapping[uuid.UUID, bytes]) -> str:
    """The picture; without one, the browser shows the alternative text."""
    small = pictures.get(drawing.id)
    source = f' src="{data_url(small)}"' if small else ""
    return f'<img alt="{described(drawing)}"{source}>'


def opener() -> Callable[[Record], None]:
    """Callback for buttons on other pages. A callback can't switch pages, so it notes the drawing for the next run."""
    return partial(_choose, memory(Chosen))


def _choose(chosen: Chosen, drawing: Record) -> None:
    chosen.drawing = drawing


def open_chosen(page: object) -> None:
    """Switch to the history page if a drawing was chosen on another page. page: the history's st.Page."""
    chosen = memory(Chosen)
    if (drawing := chosen.drawing) is not None:
        chosen.drawing = None
        st.switch_page(page, query_params={"drawing": str(drawing.id)})  # type: ignore[arg-type]
