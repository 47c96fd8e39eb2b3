"""The browser's part of the page, in mnist/ui/pad: app.py serves these files at /pad."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import streamlit

FOLDER = Path(__file__).with_name("pad")


def _address(name: str) -> str:
    """Where a file is, from the page; a changed file has another address, so that browsers may keep it."""
    return f"pad/{name}?{hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]}"


PAD = _address("pad.js")
KEYS = _address("keys.js")
CONNECTION = (FOLDER / "connection.js").read_text()  # for the page itself
PREVIEW = _address("preview.png")  # beside a link to the page; python -m docs.preview makes it
# The canvas of streamlit-drawable-canvas, which pad.js imports; its name changes with its content.
CANVAS = re.findall(r'from "\.\./(_stcore/[^"]+)"', (FOLDER / "pad.js").read_text())[0]

WIDGETS = ("Html", "PageLink", "ButtonGroup", "BidiComponent", "Checkbox", "Button")  # of the first page, as Streamlit


def widget_modules() -> tuple[str, ...]:
    """Where Streamlit's modules for WIDGETS are, with all that they import and Streamlit's page does not name itself.

    It would ask for them only once the page's script has run, in three rounds one after another.
    """
    folder = Path(streamlit.__file__).parent / "static"
    known = (folder / "index.html").read_text()
    found = [next((folder / "static" / "js").glob(f"{widget}.*.js")) for widget in WIDGETS]
    for module in found:  # grows
        for name in re.findall(r'(?:from|import)"\./([^"]+)"', module.read_text()):
            if name not in known and module.with_name(name) not in found:
                found.append(module.with_name(name))
    return tuple(f"static/js/{module.name}" for module in found)
