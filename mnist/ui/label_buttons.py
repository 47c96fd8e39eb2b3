"""What a person says a drawing is: one tap on a digit, or on "not a digit"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mnist.drawing import BadLabel, parse_label
from mnist.store.administration import MANY
from mnist.ui.session_state import memory

NON_DIGIT_TEXT = "not a digit"
_KEY = "labels"


@dataclass(slots=True)
class _Answered:
    is_answered: bool = False


def ask(question: str, label: Callable[..., None], *facts: Any) -> None:
    """Eleven choices under a question; a tap calls `label(*facts, choice)` before the next run.

    The choice is 0–9, or None for "not a digit".
    """
    # Not a button each: every element is a message of its own, at every stroke.
    choices = (*map(str, range(10)), NON_DIGIT_TEXT)
    asked = memory(_Answered)
    if asked.is_answered:
        st.session_state[_KEY] = None  # what a picture is can be said again, and the next picture is another one
        asked.is_answered = False
    # required: else the second tap of a double one would take the first one back.
    st.pills(question, choices, key=_KEY, required=True, on_change=_chosen, args=(asked, label, *facts))


def take_number(typed: str, label: Callable[..., None], *facts: Any) -> None:
    """A number was typed: `label(*facts, typed)` and another run, or what is wrong with it."""
    try:
        parse_label(typed)
    except BadLabel:
        st.error("Type the number with digits only, for example 2026.")
    else:
        label(*facts, typed)
        st.rerun()


def worded(label: int | str | None) -> str:
    """How a label reads in a sentence."""
    return NON_DIGIT_TEXT if label is None else str(label)


def how_many(number: int) -> str:
    """How many labels there are, where nobody counted beyond MANY."""
    return f"{number:,}{' or more' if number == MANY else ''}"


def _chosen(asked: _Answered, label: Callable[..., None], *facts: Any) -> None:
    choice = st.session_state.to_dict()[_KEY]  # not st.session_state[_KEY], which another event can cut short
    asked.is_answered = True
    label(*facts, None if choice == NON_DIGIT_TEXT else int(choice))
