"""Moments in the time zone of the visitor's browser."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import streamlit as st


def zone() -> tzinfo:
    """The browser's time zone; UTC where it names none, or one that this machine does not know."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (KeyError, ValueError, OSError):  # the browser chooses the name, and may send anything
        return UTC


def local(moment: datetime) -> datetime:
    """An aware datetime in the browser's zone."""
    return moment.astimezone(zone())
