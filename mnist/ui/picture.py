"""The views that take a picture from a file or from the camera."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from mnist.ui import answer, visitor


def show_upload() -> None:
    chosen = st.file_uploader(
        "A picture of a digit or a number: PNG, JPEG or WebP, dark on light or light on dark",
        type=["png", "jpg", "jpeg", "webp"],
        key=f"upload_{_turn()}",
    )
    _show(chosen, source="upload", invitation="Choose a picture, or drop one here.")


def show_camera() -> None:
    taken = st.camera_input("Hold the digit or number into the picture, as large as you can", key=f"camera_{_turn()}")
    _show(taken, source="camera", invitation="Take a photo of a digit on paper.")


def start_over() -> None:
    """Put the picture away, on the next run."""
    st.session_state["picture_turn"] = _turn() + 1
    visitor.forget()


def _show(chosen: UploadedFile | None, *, source: str, invitation: str) -> None:
    if chosen is None:
        visitor.forget()
        answer.show_empty(invitation)
        return
    data = chosen.getvalue()
    answer.read(data, source=source)
    if source == "camera":  # which goes on showing the photo
        answer.show(start_over)
        return
    left, right = st.columns([46, 54], gap="medium")
    with left.container(key="your_picture"):
        if (found := visitor.recognition()) is not None:
            st.image(found.drawing.image, caption="Your picture", alt="Your picture")
    with right:
        answer.show(start_over)


def _turn() -> int:
    return st.session_state.get("picture_turn", 0)
