"""The browser's part of the page, in mnist/ui/pad: app.py serves these files at /pad."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

FOLDER = Path(__file__).with_name("pad")


def _address(name: str) -> str:
    """Where a file is, from the page; a changed file has another address, so that browsers may keep it."""
    return f"pad/{name}?{hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]}"


PAD = _address("pad.js")
KEYS = _address("keys.js")
CONNECTION = (FOLDER / "connection.js").read_text()  # for the page itself
# The canvas of streamlit-drawable-canvas, which pad.js imports; its name changes with its content.
CANVAS = re.findall(r'from "\.\./(_stcore/[^"]+)"', (FOLDER / "pad.js").read_text())[0]
