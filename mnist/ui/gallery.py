"""Drawings as pictures, each with what the network read and what the person said; a tap opens it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import streamlit as st

from mnist.repository import Drawing


def show(drawings: Sequence[Drawing]) -> None:
    st.html(as_html(drawings))


def as_html(drawings: Sequence[Drawing]) -> str:
    """The drawings as figures, each a link to the drawing's own page."""
    return f'<div class="latest">{"".join(map(_figure, drawings))}</div>'


def data_url(picture: bytes) -> str:
    """A PNG file as the address of an image."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def verdict(drawing: Drawing) -> tuple[str, str]:
    """How the label compares with the reading: a CSS class and words."""
    if not drawing.is_labelled:
        return "open", "not labelled"
    truth = drawing.truth or "not a digit"
    return ("right", f"✓ it is {truth}") if drawing.truth == drawing.guess else ("wrong", f"✗ it is {truth}")


def _figure(drawing: Drawing) -> str:
    read = escape(drawing.guess or "?")
    state, text = verdict(drawing)
    return (
        f'<a href="history?drawing={drawing.id}" target="_self">'
        f'<figure><img alt="Drawing read as {read}" loading="lazy" src="{data_url(drawing.image)}">'
        f'<figcaption>read as <b>{read}</b><br><span class="{state}">{escape(text)}</span></figcaption>'
        "</figure></a>"
    )
