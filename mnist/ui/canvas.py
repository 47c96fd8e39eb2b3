"""The drawing canvas, without the toolbar that its package puts over it and without pandas behind it.

That toolbar is invisible until a mouse is near. Fingers hit it all the same, in the upper right of the canvas, where a
0 or a 5 begins; it can empty the canvas or keep it from drawing. Undo and Clear of the page do its work.
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
BRUSH = 18  # px; MNIST's strokes are about as thick for their height

# The package has no option for it, and no style of ours reaches in there: so it is registered once more, as it does it
# itself, with one rule and a name in its markup. It was registered before on purpose: no warning.
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
    # Given a dictionary within the data, Streamlit imports pandas and pyarrow to ask whether it is a data frame: 0.4 s
    # of the first page and 80 MiB for good. The canvas (Fabric's loadFromJSON) takes the same drawing as JSON.
    return _component(data={**data, "initialDrawing": json.dumps(data["initialDrawing"])}, **options)


streamlit_drawable_canvas.out = _show
