"""Objects that the parts of the page keep for one visit, from one run of its script to the next."""

from __future__ import annotations

from typing import TypeVar, cast

import streamlit as st

Kind = TypeVar("Kind")


def memory(kind: type[Kind]) -> Kind:
    """The visit's only object of class `kind`, created without arguments on first use.

    Pass the object to a callback as an argument; don't call this there. Whenever st.session_state is used, Streamlit
    aborts the running script, or callback, if a newer event waits, and the page would not say what was stored.
    """
    return cast(Kind, st.session_state.setdefault(f"{kind.__module__}.{kind.__qualname__}", kind()))
