"""A visitor's latest drawings, each with what the network read and what the person said."""

from __future__ import annotations

import streamlit as st

from mnist import services
from mnist.drawing import StorageUnavailable
from mnist.ui import administrator, detail, gallery, visitor

SHOWN = 12


def show() -> None:
    st.subheader("Your latest drawings", anchor=False, divider="gray")
    try:
        drawings = services.recogniser().recent(limit=SHOWN, session_id=visitor.session_id())
    except StorageUnavailable:
        st.info("The list can’t be shown: the database can’t be reached.", icon=":material/cloud_off:")
        return
    if not drawings:
        st.caption(
            "Nothing yet. What you draw appears here, with what the program read."
            if visitor.keeps()
            else "Nothing is kept while the switch is off."
        )
        return
    if administrator.is_signed_in():
        gallery.show_with_buttons(drawings, detail.opener(), key="latest")
    else:
        gallery.show(drawings)
    _show_contribution()


def _show_contribution() -> None:
    """What came of the visitor's past corrections."""
    try:
        contribution = services.labels().contribution(visitor.session_id())
    except StorageUnavailable:
        return
    if contribution is not None:
        labels = "One of your labels" if contribution.labels == 1 else f"{contribution.labels} of your labels"
        st.caption(f":material/school: {labels} helped to train version {contribution.version} of the network.")
