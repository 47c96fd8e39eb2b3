"""What the browser gets of the pad: the package it wraps is the one it was made for, and its icons are all there."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from docs.icons import NAMES, ROOT, icons_of, whole_font
from mnist.ui import pad_files

# pad.js relies on this file's hidden "Update" button, its class names and what it sends. When the package changes, read
# it again (the part below "toolbar"), run tests/browser/test_pointers.py, and only then change the digest.
BUNDLE_SHA256 = "40c729b5694331c848834c38423b7fd2f5dcc5685d178c40e2b3ed6fe67a0a35"


def test_the_canvas_package_is_the_one_that_the_pad_was_made_for():
    package = importlib.util.find_spec("streamlit_drawable_canvas")
    assert package is not None
    assert package.origin is not None
    bundle = Path(package.origin).parent / "frontend" / "build" / Path(pad_files.CANVAS).name

    assert hashlib.sha256(bundle.read_bytes()).hexdigest() == BUNDLE_SHA256


def test_a_changed_script_has_another_address():
    digest = hashlib.sha256((pad_files.FOLDER / "pad.js").read_bytes()).hexdigest()

    assert f"pad/pad.js?{digest[:12]}" == pad_files.PAD


def test_every_icon_of_ours_is_in_the_small_font_and_that_is_of_this_streamlit():
    made_from, *names = NAMES.read_text().split()

    assert icons_of(list((ROOT / "mnist").rglob("*.py"))) - set(names) == set()
    assert made_from == whole_font().name, "python -m docs.icons"


def test_all_modules_of_the_first_pages_widgets_are_found():
    names = [address.removeprefix("static/js/").split(".")[0] for address in pad_files.widget_modules()]

    assert set(pad_files.WIDGETS) < set(names)
    assert "purify" in names  # which Html imports
    assert "index" not in names  # which Streamlit's page names itself
    assert len(names) == len(set(pad_files.widget_modules()))
