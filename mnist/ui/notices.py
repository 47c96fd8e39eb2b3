"""What every page says while the database is away."""

from __future__ import annotations

import streamlit as st

AWAY = ":material/cloud_off:"  # the icon of all such notices


def show_outage(what: str) -> None:
    """what: the beginning of the sentence, "The list can’t be shown"."""
    st.info(f"{what}: the database can’t be reached.", icon=AWAY)
