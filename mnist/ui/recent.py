"""A visitor's latest drawings, each with what the network read and what the person said."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import streamlit as st

from mnist import services
from mnist.repository import Drawing, StorageUnavailable
from mnist.ui import visitor

SHOWN = 12


def show() -> None:
    st.subheader("Your latest drawings", anchor=False, divider="gray")
    try:
        drawings = services.recogniser().recent(limit=SHOWN, session_id=visitor.session_id())
    except StorageUnavailable:
        st.info("The list can’t be shown: the database can’t be reached.", icon=":material/cloud_off:")
        return
    if not drawings:
        st.caption("Nothing yet. What you draw appears here, with what the program read.")
        return
    st.html(gallery(drawings))


def gallery(drawings: Sequence[Drawing]) -> str:
    """The drawings as HTML figures."""
    return f'<div class="latest">{"".join(map(_figure, drawings))}</div>'


def _figure(drawing: Drawing) -> str:
    picture = base64.b64encode(drawing.image).decode()
    read = escape(drawing.guess or "?")
    if not drawing.is_labelled:
        state, text = "open", "not labelled"
    elif drawing.truth == drawing.guess:
        state, text = "right", f"✓ it is {escape(drawing.truth or 'not a digit')}"
    else:
        state, text = "wrong", f"✗ it is {escape(drawing.truth or 'not a digit')}"
    # What came of a label: the version that a retraining made with it.
    learned = f'<br><span class="open">taught version {drawing.processed_by}</span>' if drawing.processed_by else ""
    return (
        f'<figure><img alt="Drawing read as {read}" loading="lazy" src="data:image/png;base64,{picture}">'
        f'<figcaption>read as <b>{read}</b><br><span class="{state}">{text}</span>{learned}</figcaption></figure>'
    )
