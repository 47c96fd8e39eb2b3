"""The drawing pad of mnist/ui/pad/pad.js: what is on it, and which of its drawings is finished."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import streamlit as st

from mnist.ui import pad_files

# A line that fetches the script once: Streamlit sends what stands here again with every stroke.
_LOADER = f"""const pad = await import(new URL("{pad_files.PAD}", document.baseURI));
export default pad.default;
"""
_pad = st.components.v2.component("pad", js=_LOADER)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is on the pad.

    number: of the drawing, given by the browser; None while nothing was drawn.
    picture: PNG, or None when the pad is empty.
    """

    number: int | None
    strokes: int
    picture: bytes | None


def show(finished: int | None, seen: int | None) -> Drawn:
    """Show the pad.

    finished: number of a drawing that comes off the pad. seen: how many strokes it had, because later ones begin the
    next drawing; None: all of them come off.
    """
    state = _pad(
        data={"finished": finished, "seen": seen},
        key="canvas",
        default={"drawing": None},
        on_drawing_change=lambda: None,
        height="content",
    )
    drawing = state.get("drawing") or {}
    try:
        picture = base64.b64decode(drawing["picture"].partition(",")[2]) if drawing.get("picture") else None
    except (binascii.Error, AttributeError):  # not from this page
        picture = None
    return Drawn(drawing.get("number"), drawing.get("strokes", 0) if picture else 0, picture)
