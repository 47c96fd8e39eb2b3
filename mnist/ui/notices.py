"""The notice that every page shows while the database can't be reached."""

from __future__ import annotations

import streamlit as st

AWAY = ":material/cloud_off:"  # the icon of all such notices


def show_outage(what: str) -> None:
    """Show the notice. what: how its sentence begins, for example "The list can’t be shown"."""
    st.info(f"{what}: the database can’t be reached.", icon=AWAY)
