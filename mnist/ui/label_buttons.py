"""The buttons with which a person labels a drawing: ten digits and "not a digit"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mnist.drawing import BadLabel, parse_label
from mnist.store.administration import MANY
from mnist.ui.session_state import memory, value_of

NON_DIGIT_TEXT = "not a digit"
_KEY = "labels"


@dataclass(slots=True)
class _Buttons:
    """Whether a choice was made since the buttons were last shown; then they are reset."""

    is_answered: bool = False


def ask(question: str, on_label: Callable[..., None], *args: Any, has_non_digit: bool = True) -> None:
    """Show ten or eleven choices under a question; a tap calls `on_label(*args, choice)` before the next run.

    The choice is 0–9, or None for "not a digit", which is left out if another button says it (`has_non_digit`).
    """
    # One element instead of eleven buttons: each element is a message of its own after every stroke.
    choices = (*map(str, range(10)), *([NON_DIGIT_TEXT] if has_non_digit else ()))
    buttons = memory(_Buttons)
    if buttons.is_answered:
        st.session_state[_KEY] = None  # the same picture can be labelled again, and the next one begins unlabelled
        buttons.is_answered = False
    # required: otherwise the second tap of a double tap would undo the first.
    st.pills(question, choices, key=_KEY, required=True, on_change=_chosen, args=(buttons, on_label, *args))


def take_number(typed: str, on_label: Callable[..., None], *args: Any) -> None:
    """Call `on_label(*args, typed)` and run the page again, or show what is wrong with the typed number."""
    try:
        parse_label(typed)
    except BadLabel:
        st.error("Type the number with digits only, for example 2026.")
    else:
        on_label(*args, typed)
        st.rerun()


def worded(label: int | str | None) -> str:
    """A label as it reads in a sentence."""
    return NON_DIGIT_TEXT if label is None else str(label)


def with_article(label: int | str | None) -> str:
    """A label as it reads after "it is": "a 7", "an 8", "2026", "not a digit"."""
    if label is None:
        return NON_DIGIT_TEXT
    return f"a{'n' if str(label) == '8' else ''} {label}" if len(str(label)) == 1 else str(label)


def how_many(number: int) -> str:
    """A number of labels as text, with "or more" at MANY, where counting stops."""
    return f"{number:,}{' or more' if number == MANY else ''}"


def _chosen(buttons: _Buttons, on_label: Callable[..., None], *args: Any) -> None:
    choice = value_of(_KEY)
    buttons.is_answered = True
    on_label(*args, None if choice == NON_DIGIT_TEXT else int(choice))
