"""The script that Streamlit runs for every visitor: the frame of the page, and which view fills it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from mnist.ui import draw, picture, recent, style

WAYS_IN = {"Draw": draw.show, "Upload": picture.show_upload, "Camera": picture.show_camera}


def start_over() -> None:
    """Another way in starts with nothing on the page."""
    draw.leave()
    picture.start_over()


st.set_page_config(page_title="Draw a digit", page_icon=str(Path(__file__).with_name("icon.png")), layout="centered")
style.apply()

st.title("Draw a digit", anchor=False)
way_in = st.segmented_control(
    "How do you want to show the digit?",
    options=list(WAYS_IN),
    default="Draw",
    required=True,
    key="way_in",
    on_change=start_over,
    label_visibility="collapsed",
)
WAYS_IN[way_in or "Draw"]()
recent.show()
