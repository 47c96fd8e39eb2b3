"""What the page remembers of one visitor, in the session's state."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import streamlit as st

from mnist.recognition import Recognition
from mnist.repository import Drawing
from mnist.visitors import KEPT_SECONDS, session_of


@dataclass(frozen=True, slots=True)
class Unsent:
    """A correction that could not be stored; it stays on the page to be sent again."""

    drawing: Drawing
    label: int | str | None


def session_id() -> str:
    """An unguessable name for the visitor; for this visit only where the browser takes no cookies."""
    name: str = session_of(st.context.cookies) or st.session_state.setdefault("session", uuid.uuid4().hex)
    return name


def recognition() -> Recognition | None:
    """The picture that the answer on the page is about."""
    found: Recognition | None = st.session_state.get("recognition")
    return found


def drawing() -> Drawing | None:
    """What is on the page, read in this session or in one that has ended."""
    found = recognition()
    taken_up: Drawing | None = st.session_state.get("taken_up")
    return found.drawing if found else taken_up


def take_up(before: Drawing | None) -> None:
    """A drawing of a session that has ended is on the page again, and not read yet."""
    st.session_state["taken_up"] = before


def remember(found: Recognition) -> None:
    st.session_state["recognition"] = found
    take_up(None)
    st.session_state["problem"] = None
    st.session_state["thanks"] = None


def forget(problem: str | None = None) -> None:
    """No answer is on the page any more; a problem says why the latest picture has none."""
    st.session_state["recognition"] = None
    take_up(None)
    st.session_state["problem"] = problem
    st.session_state["read_digest"] = None


def keeps() -> bool:
    """Whether the visitor's drawings may be stored."""
    return bool(st.session_state.get("keeps_drawings", st.context.cookies.get("keep") != "no"))


def note_switch_touched() -> None:
    """From now on the browser remembers how the switch stands: somebody chose it in this visit."""
    st.session_state["switch_touched"] = True


def choose_to_keep(kept: bool) -> None:
    """For this visit, and in a cookie for the next ones; links and reloads begin another visit."""
    # A widget's own state is gone as soon as another page is open.
    st.session_state["keeps_drawings"] = kept
    # Not where another tab's choice is only heard of; in every run, because one that is cut short sends nothing.
    if st.session_state.get("switch_touched"):
        cookie = f"keep={'yes' if kept else 'no'}; Path=/; Max-Age={KEPT_SECONDS}; SameSite=Lax"
        st.html(f"<script>document.cookie = '{cookie}'</script>", unsafe_allow_javascript=True)


def unsent() -> list[Unsent]:
    """Oldest first."""
    return list(st.session_state.get("unsent", ()))


def unsent_but(drawing: Drawing) -> list[Unsent]:
    """Those of other drawings."""
    return [each for each in unsent() if each.drawing.id != drawing.id]


def keep_unsent(corrections: list[Unsent]) -> None:
    st.session_state["unsent"] = corrections
