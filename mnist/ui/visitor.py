"""One visit to the page: its picture and answer, unsent corrections, and whether drawings are kept."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import streamlit as st

from mnist import services
from mnist.drawing import Drawing
from mnist.recognition.recogniser import Recognition
from mnist.ui.session_state import memory
from mnist.web.client_address import neighbourhood_of
from mnist.web.visitor_cookie import KEPT_SECONDS, session_of


@dataclass(frozen=True, slots=True)
class Unsent:
    """A correction that could not be stored; it stays on the page to be sent again."""

    drawing: Drawing
    label: int | str | None


@dataclass(slots=True)
class CanvasState:
    """What the page knows of the pad; each drawing on it has a number, which the browser gives."""

    number: int | None = None  # of the drawing that was there last; None: not yet in this session
    finished: int | None = None  # number of the drawing that was labelled or left
    seen: int | None = None  # how many strokes that one had; None: all that are there
    was_away: bool = False  # another way in, or another page, was open
    is_finished: bool = False  # the list of the latest drawings is to be shown again


@dataclass(slots=True)
class Visit:
    """State of one visit to the page that recognises.

    recognition: the picture that the answer on the page is about.
    sheet: the drawings of a class sheet that was uploaded, labelled and not stored yet.
    taken_up: a drawing of a session that has ended, on the page again and not read yet.
    read_digest: SHA-256 of the picture that was read last, in hexadecimal.
    problem: why the latest picture has no answer.
    thanks: the words that confirm a stored correction.
    labelled: the drawing that the thanks are for; "Change it" labels it again.
    is_changing: whether that was pressed.
    unsent: oldest first.
    keeps_drawings: what the visitor chose in this visit; None: nothing yet, so the cookie decides.
    switch_touched: whether they moved the switch themselves; then a cookie stores their choice.
    pictures: how many were put away; each new number makes Streamlit show a new, empty widget.
    """

    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    recognition: Recognition | None = None
    sheet: list[Drawing] | None = None
    taken_up: Drawing | None = None
    read_digest: str | None = None
    problem: str | None = None
    thanks: str | None = None
    labelled: Drawing | None = None
    is_changing: bool = False
    unsent: list[Unsent] = field(default_factory=list)
    keeps_drawings: bool | None = None
    switch_touched: bool = False
    canvas: CanvasState = field(default_factory=CanvasState)
    pictures: int = 0
    not_kept: str = ""  # why the latest picture was not stored, though the visitor lets us

    @property
    def drawing(self) -> Drawing | None:
        """The drawing on the page, read in this session or in one that has ended."""
        return self.recognition.drawing if self.recognition else self.taken_up

    def remember(self, found: Recognition) -> None:
        self.recognition, self.taken_up, self.problem, self.sheet = found, None, None, None
        self.thank(None, None)

    def thank(self, words: str | None, labelled: Drawing | None) -> None:
        """Confirm, or take back, that a correction is stored."""
        self.thanks, self.labelled, self.is_changing = words, labelled, False

    def forget(self, problem: str | None = None) -> None:
        """Take the answer off the page. problem: why there is none."""
        self.recognition, self.taken_up, self.problem, self.read_digest = None, None, problem, None
        self.sheet = None

    def unsent_but(self, drawing: Drawing) -> list[Unsent]:
        """The unsent corrections of all other drawings."""
        return [each for each in self.unsent if each.drawing.id != drawing.id]


def visit() -> Visit:
    return memory(Visit)


def session_id() -> str:
    """An unguessable id of the visitor; it changes with every visit if the browser accepts no cookies."""
    return session_of(st.context.cookies) or visit().name


def network() -> str:
    """The visitor's network; only a keyed digest of it is ever stored."""
    return neighbourhood_of(st.context.ip_address or "127.0.0.1")  # None: this very machine


def keeps() -> bool:
    """Whether the visitor's drawings may be stored."""
    chosen = visit().keeps_drawings
    return st.context.cookies.get("keep") != "no" if chosen is None else chosen


def choose_to_keep(kept: bool) -> None:
    """Remember the choice for this visit, and in a cookie for later ones; links and reloads begin another visit."""
    now = visit()
    now.keeps_drawings = kept  # Streamlit drops a widget's own state when another page opens
    # No cookie when the choice came from another tab. Written in every run, because an aborted run sends nothing.
    if now.switch_touched:
        cookie = f"keep={'yes' if kept else 'no'}; Path=/; Max-Age={KEPT_SECONDS}; SameSite=Lax"
        secure = "(location.protocol === 'https:' ? '; Secure' : '')"
        st.html(f"<script>document.cookie = '{cookie}' + {secure}</script>", unsafe_allow_javascript=True)


def why_not_kept(network: str) -> str:
    """What to tell a visitor whose drawings may be stored; empty where there is room for the next one."""
    if services.room().is_full:
        return (
            "There is no room left here, so this is **not kept**, and there is nothing to correct. Go on drawing: "
            "it is read all the same."
        )
    if services.storing().wait(network) > 0:
        return (
            "From your network so much was drawn that this is **not kept**, and there is nothing to correct. "
            "Go on drawing; in a while it is kept again."
        )
    return ""
