"""The drawing canvas, without its package's toolbar and without importing pandas.

The toolbar is invisible until a mouse is near, but fingers hit it all the same, in the upper right of the canvas, where
a 0 or a 5 begins; it can empty the canvas or stop it from drawing. The page's own Undo and Clear replace it.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import streamlit as st
import streamlit_drawable_canvas
from streamlit_drawable_canvas import CanvasResult, st_canvas

__all__ = ["BRUSH", "SIDE", "CanvasResult", "st_canvas"]

SIDE = 300  # px; wider canvases scroll on phones
BRUSH = 18  # px; relative to the digit's height about as thick as MNIST's strokes

# The package has no option that hides the toolbar, and the page's CSS does not reach into the component. So it is
# registered a second time, as the package does it, with one more CSS rule and an accessible name. Streamlit warns about
# the second registration, which is intended here: its logger is off meanwhile.
_registry = logging.getLogger("streamlit.components.v2.component_registry")
_registry.disabled = True
_component = st.components.v2.component(
    "streamlit-drawable-canvas.streamlit_drawable_canvas",
    js="index-*.js",
    css="index-*.css",
    html="<style>.dc-toolbar { display: none !important; }</style>"
    '<div class="canvas-root" role="img" aria-label="Drawing area. With a keyboard: Upload, above."></div>',
    isolate_styles=True,
)
_registry.disabled = False


def _show(*, data: dict[str, Any], **options: Any) -> Any:
    # For a dictionary nested in the data, Streamlit imports pandas and pyarrow to check for data frames: 0.4 s of the
    # first page and 80 MiB for good. The canvas (Fabric's loadFromJSON) accepts the same drawing as a JSON string.
    return _component(data={**data, "initialDrawing": json.dumps(data["initialDrawing"])}, **options)


streamlit_drawable_canvas.out = _show
