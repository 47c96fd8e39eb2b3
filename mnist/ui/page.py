"""The script that Streamlit runs for every visitor: the frame of the page, and which of its pages is open."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from mnist import services
from mnist.ui import administrator, history, insight, model, recognise, style

st.set_page_config(page_title="Draw a digit", page_icon=str(Path(__file__).with_name("icon.png")), layout="centered")
style.apply()
draw_page = st.Page(recognise.show, title="Draw", icon=":material/draw:", default=True)
history_page = st.Page(history.show, title="History", icon=":material/history:", url_path="history")
pages = [
    draw_page,
    history_page,
    st.Page(insight.show, title="Insight", icon=":material/monitoring:", url_path="insight"),
    st.Page(model.show, title="Model", icon=":material/neurology:", url_path="model"),
]
if services.sign_in().is_on:
    pages.append(
        st.Page(
            administrator.show,
            title="Administration",
            icon=":material/admin_panel_settings:",
            url_path="administration",
        )
    )
chosen = st.navigation(pages, position="top")
insight.open_chosen(history_page)
if chosen != draw_page:
    recognise.start_over()  # or the answer would wait there for a canvas that comes back empty
chosen.run()
