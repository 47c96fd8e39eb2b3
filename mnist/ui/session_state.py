"""What the parts of the page remember of a visit, from one run of its script to the next."""

from __future__ import annotations

from typing import TypeVar, cast

import streamlit as st

Kind = TypeVar("Kind")


def memory(kind: type[Kind]) -> Kind:
    """The visit's one object of this class, made without arguments where it is asked for first.

    What a callback changes, it is handed: where st.session_state is used, Streamlit ends whatever runs, a callback as
    well, for an event that came meanwhile. The page would then not say what was stored.
    """
    return cast(Kind, st.session_state.setdefault(f"{kind.__module__}.{kind.__qualname__}", kind()))
