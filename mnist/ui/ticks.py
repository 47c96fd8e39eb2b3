"""Ticking several drawings of a list, to give them one label."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from mnist.drawing import AlreadyProcessed, Record, StorageUnavailable, UnknownPrediction, plural
from mnist.ui import gallery, label_buttons
from mnist.ui.notices import AWAY
from mnist.ui.session_state import memory, value_of
from mnist.ui.thumbnails import thumbnails

Store = Callable[[uuid.UUID, int | str | None], None]


@dataclass(slots=True)
class Ticks:
    """What the page remembers of the tiles that can be ticked.

    drawings: the tiles, as they were when the list was opened: a tick must not move to a drawing that came meanwhile.
    place: which list and page they are of.
    number: of this set of tiles; each new number makes Streamlit show a new widget.
    ticked: places of those that are ticked when it is shown.
    told: what came of the last label.
    """

    drawings: Sequence[Record] = ()
    place: Any = None
    number: int = 0
    ticked: list[int] = field(default_factory=list)
    told: str | None = None
    problem: str | None = None

    def renew(self, ticked: Sequence[int] = ()) -> None:
        """Show the tiles anew with these ticked."""
        self.number += 1
        self.ticked = list(ticked)

    @property
    def key(self) -> str:
        return f"ticks_{self.number}"


def show(drawings: Sequence[Record], place: Any, store: Store) -> None:
    """Show the drawings as tiles to tick, and the labels to give them.

    place: tells one list and page from another. store: stores a drawing's label.
    Raises StorageUnavailable: the pictures are read here.
    """
    ticks = memory(Ticks)
    if ticks.place != place:
        ticks.place, ticks.drawings = place, drawings
        ticks.renew()
    pictures = thumbnails(ticks.drawings)
    st.html(
        f"<style>{''.join(_background(at, pictures.get(each.id)) for at, each in enumerate(ticks.drawings, 1))}</style>"
    )
    with st.container(key="ticks"):
        chosen = st.pills(
            "Tick drawings, then tap what they are:",
            range(len(ticks.drawings)),
            selection_mode="multi",
            format_func=lambda at: f"{at + 1}: {gallery.in_brief(ticks.drawings[at])}",
            default=ticks.ticked,
            key=ticks.key,
            width="stretch",
        )
    with st.container(key="ticked"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{len(chosen)} ticked**")
            everything = range(len(ticks.drawings))
            st.button("Tick all", on_click=ticks.renew, args=(everything,), type="tertiary")
            st.button("Tick none", on_click=ticks.renew, type="tertiary")
        if ticks.problem:
            st.error(ticks.problem, icon=AWAY)
        elif ticks.told:
            st.caption(ticks.told)
        label_buttons.ask("They are:", _label, ticks, store)


def _background(at: int, picture: bytes | None) -> str:
    url = f'url("{gallery.data_url(picture)}")' if picture else "none"
    return f".st-key-ticks button:nth-child({at}) {{ background-image: {url}; }}"


def _label(ticks: Ticks, store: Store, label: int | str | None) -> None:
    # Not the value that the last run returned, which lacks a tick that came together with the label.
    chosen = value_of(ticks.key) or []
    ticks.told = ticks.problem = None
    if not chosen:
        ticks.told = "Nothing is ticked."
        return
    stored, final = 0, 0
    for at in chosen:
        try:
            store(ticks.drawings[at].id, label)
            stored += 1
        except (AlreadyProcessed, UnknownPrediction):
            final += 1
        except StorageUnavailable:
            ticks.problem = f"The database can’t be reached. {stored} of {len(chosen)} labels are stored; try again."
            return
    ticks.told = f"{plural(stored, 'drawing')} stored as {label_buttons.worded(label)}."
    if final:
        ticks.told += f" {plural(final, 'drawing')} not: a retraining has looked at the label, or it was deleted."
    ticks.place = None  # the list is read again
