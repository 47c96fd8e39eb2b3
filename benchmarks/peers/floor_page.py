"""The least that a Streamlit page with the same canvas can do: print a sum."""

import streamlit as st
from streamlit_drawable_canvas import st_canvas

canvas = st_canvas(
    stroke_width=18,
    stroke_color="#ffffff",
    background_color="#000000",
    width=300,
    height=300,
    return_image_data=True,
    key=f"canvas_{st.session_state.get('turn', 0)}",
)
if canvas.image_data is not None and canvas.image_data[..., :3].any():
    st.html(f'<p class="sum">{canvas.image_data[..., :3].sum()}</p>')


def clear() -> None:
    st.session_state["turn"] = st.session_state.get("turn", 0) + 1


st.button("Clear", on_click=clear)
