"""The script that Streamlit runs for every visitor: it sets up the frame of the page and runs the chosen view."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from mnist import services
from mnist.ui import css, gallery, visitor
from mnist.ui.views import administration, history, recognise


def insight() -> None:
    from mnist.ui.views import insight  # not at the top: charts need Altair, 26 MiB and 0.4 s that drawing does without

    insight.show()


def model() -> None:
    from mnist.ui.views import model

    model.show()


@st.fragment(run_every=3600)
def _reconnect() -> None:
    """Make a browser ask for a new run when it reconnects, after a pause of minutes or a restart of the server.

    It does so only if some fragment repeats. Otherwise it would send its strokes to a session that has never run,
    which drops them.
    """


st.set_page_config(page_title="Draw a digit", page_icon=str(Path(__file__).with_name("icon.png")), layout="centered")
css.apply()
draw_page = st.Page(recognise.show, title="Draw", icon=":material/draw:", default=True)
history_page = st.Page(history.show, title="History", icon=":material/history:", url_path="history")
pages = [
    draw_page,
    history_page,
    st.Page(insight, title="Insight", icon=":material/monitoring:", url_path="insight"),
    st.Page(model, title="Model", icon=":material/neurology:", url_path="model"),
]
if services.sign_in().is_on:
    pages.append(
        st.Page(
            administration.show,
            title="Administration",
            icon=":material/admin_panel_settings:",
            url_path="administration",
        )
    )
chosen = st.navigation(pages, position="hidden")
with st.container(horizontal=True, key="pages"):
    for page in pages:
        st.page_link(page)
gallery.open_chosen(history_page)
if chosen != draw_page:
    st.set_page_config(page_title=f"{chosen.title} · Draw a digit")
    recognise.start_over(visitor.visit())  # otherwise its answer would stay beside a canvas that comes back empty
_reconnect()
chosen.run()
