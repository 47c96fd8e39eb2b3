"""Objects that the parts of the page keep for one visit, from one run of its script to the next."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import streamlit as st

Kind = TypeVar("Kind")


def memory(kind: type[Kind]) -> Kind:
    """The visit's only object of class `kind`, created without arguments on first use.

    Pass the object to a callback as an argument; don't call this there. Whenever st.session_state is used, Streamlit
    aborts the running script, or callback, if a newer event waits, and the page would not say what was stored.
    """
    return cast(Kind, st.session_state.setdefault(f"{kind.__module__}.{kind.__qualname__}", kind()))


def value_of(key: str) -> Any:
    """The value of a widget, for a callback: whatever came together with the event counts. None if it has none.

    Not st.session_state[key], where a newer event can abort the callback.
    """
    return st.session_state.to_dict().get(key)
