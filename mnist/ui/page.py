"""The script that Streamlit runs for every visitor: the frame of the page, and which of its pages is open."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from mnist.ui import history, model, recognise, style

st.set_page_config(page_title="Draw a digit", page_icon=str(Path(__file__).with_name("icon.png")), layout="centered")
style.apply()
draw_page = st.Page(recognise.show, title="Draw", icon=":material/draw:", default=True)
chosen = st.navigation(
    [
        draw_page,
        st.Page(history.show, title="History", icon=":material/history:", url_path="history"),
        st.Page(model.show, title="Network", icon=":material/neurology:", url_path="network"),
    ],
    position="top",
)
if chosen != draw_page:
    recognise.start_over()  # or the answer would wait there for a canvas that comes back empty
chosen.run()
