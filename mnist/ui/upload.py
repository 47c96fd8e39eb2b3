"""The widgets that take a picture from a file or from the camera, with its answer."""

from __future__ import annotations

from functools import partial

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from mnist.ui import answer, class_sheet, visitor
from mnist.ui.boxes import with_boxes
from mnist.vision import picture_formats


def show_upload() -> None:
    chosen = st.file_uploader(
        "Choose a picture with a digit or a number on it",
        type=None,  # what a file is its bytes say, and the answer names the formats
        key=f"upload_{visitor.visit().pictures}",
        help=f"A photo, a scan or a drawing, as a {picture_formats.names()} file. Dark ink on light paper or light on "
        "dark: both are read.",
    )
    _show(chosen, source="upload", invitation="Choose a picture, or drop one here.")
    if chosen is None:
        class_sheet.offer()


def show_camera() -> None:
    taken = st.camera_input(
        "Write a digit or a number on paper and hold it close to the camera",
        key=f"camera_{visitor.visit().pictures}",
    )
    _show(taken, source="camera", invitation="Take a photo: you see at once what it is read as.")


def put_away(visit: visitor.Visit) -> None:
    """Drop the picture and its answer; the next run shows an empty widget."""
    visit.pictures += 1
    visit.forget()


def _show(chosen: UploadedFile | None, *, source: str, invitation: str) -> None:
    visit = visitor.visit()
    if chosen is None:
        visit.forget()
        answer.show_empty(visit, invitation)
        return
    data = chosen.getvalue()
    start_over = partial(put_away, visit)
    if class_sheet.read(visit, data):
        class_sheet.show(visit, start_over)
        return
    answer.read(visit, data, source=source)
    if source == "camera":  # the widget itself goes on showing the photo
        answer.show(visit, start_over)
        return
    left, right = st.columns([46, 54], gap="medium")
    with left.container(key="your_picture"):
        if (found := visit.recognition) is not None:
            st.html(with_boxes(found, alt="Your picture"))
            st.caption("Your picture, with what was read")
    with right:
        answer.show(visit, start_over)
