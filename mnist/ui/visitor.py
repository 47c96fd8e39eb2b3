"""What the page remembers of one visitor."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from mnist.drawing import Drawing
from mnist.recognition.recogniser import Recognition
from mnist.ui.session_state import memory
from mnist.web.visitor_cookie import KEPT_SECONDS, session_of


@dataclass(frozen=True, slots=True)
class Unsent:
    """A correction that could not be stored; it stays on the page to be sent again."""

    drawing: Drawing
    label: int | str | None


@dataclass(slots=True)
class Sheet:
    """How the canvas stands; strokes are the canvas's own objects."""

    start: list[dict[str, Any]] = field(default_factory=list)  # strokes that it was last told to begin with
    edit: int | None = None  # how often it was told so; None: not in this session yet
    stale: str | None = None  # digest of the picture that it goes on sending until it has drawn its start
    left: list[dict[str, Any]] = field(default_factory=list)  # strokes that were on it when it was told to begin anew
    was_away: bool = False
    is_finished: bool = False  # the drawing was labelled or wiped


@dataclass(slots=True)
class Visit:
    """Of one visitor on the page that recognises.

    recognition: the picture that the answer on the page is about.
    problem: why the latest picture has no answer.
    unsent: oldest first.
    """

    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    recognition: Recognition | None = None
    taken_up: Drawing | None = None  # of a session that has ended: on the page again, and not read yet
    read_digest: str | None = None
    problem: str | None = None
    thanks: str | None = None
    unsent: list[Unsent] = field(default_factory=list)
    keeps_drawings: bool | None = None
    switch_touched: bool = False  # then the browser remembers how it stands
    sheet: Sheet = field(default_factory=Sheet)
    pictures: int = 0  # that were put away; another one is asked for by another widget

    @property
    def drawing(self) -> Drawing | None:
        """What is on the page, read in this session or in one that has ended."""
        return self.recognition.drawing if self.recognition else self.taken_up

    def remember(self, found: Recognition) -> None:
        self.recognition, self.taken_up, self.problem, self.thanks = found, None, None, None

    def forget(self, problem: str | None = None) -> None:
        """No answer is on the page any more."""
        self.recognition, self.taken_up, self.problem, self.read_digest = None, None, problem, None

    def unsent_but(self, drawing: Drawing) -> list[Unsent]:
        """Those of other drawings."""
        return [each for each in self.unsent if each.drawing.id != drawing.id]


def visit() -> Visit:
    return memory(Visit)


def session_id() -> str:
    """An unguessable name for the visitor; for this visit only where the browser takes no cookies."""
    return session_of(st.context.cookies) or visit().name


def keeps() -> bool:
    """Whether the visitor's drawings may be stored."""
    chosen = visit().keeps_drawings
    return st.context.cookies.get("keep") != "no" if chosen is None else chosen


def choose_to_keep(kept: bool) -> None:
    """For this visit, and in a cookie for the next ones; links and reloads begin another visit."""
    now = visit()
    now.keeps_drawings = kept  # a widget's own state is gone as soon as another page is open
    # Not where another tab's choice is only heard of; in every run, because one that is cut short sends nothing.
    if now.switch_touched:
        cookie = f"keep={'yes' if kept else 'no'}; Path=/; Max-Age={KEPT_SECONDS}; SameSite=Lax"
        st.html(f"<script>document.cookie = '{cookie}'</script>", unsafe_allow_javascript=True)
