"""Makes the small font of icons that a first visit loads, out of Streamlit's whole one: 14 kB instead of 375.

Run it with `python -m docs.icons` when an icon joins, or Streamlit changes. Needs `pip install fonttools brotli`.
"""

from __future__ import annotations

import re
from pathlib import Path

import streamlit

ROOT = Path(__file__).parent.parent
STATIC = Path(streamlit.__file__).parent / "static" / "static"
FONT = ROOT / "mnist" / "ui" / "pad" / "icons.woff2"
EMPTY = FONT.with_name(
    "empty.woff2"
)  # a font without letters, in place of the text font that Streamlit asks for at first
NAMES = FONT.with_suffix(".txt")  # its first line is the whole font's file, the others are the icons
# Of Streamlit's own widgets, beyond those that its scripts name as :material/…:
WIDGETS = re.findall(
    r"\w+",
    """add arrow_back arrow_downward arrow_forward arrow_upward arrows_outward attach_file calendar_today camera
cameraswitch cancel check check_circle clear close cloud_upload content_copy delete done download drag_indicator edit
error expand_less expand_more filter_alt fullscreen fullscreen_exit help help_outline home info insights
keyboard_arrow_up link menu mic more_horiz more_vert open_in_new photo_camera push_pin redo refresh remove replay save
school search settings share sort swap_vert sync thumb_down thumb_up tv undo upload visibility visibility_off warning
zoom_in""",
)


def whole_font() -> Path:
    return next((STATIC / "media").glob("MaterialSymbols-Rounded.*.woff2"))


def icons_of(texts: list[Path]) -> set[str]:
    """The names of the icons that files of source text use."""
    return {name for text in texts for name in re.findall(r":material/([a-z0-9_]+)", text.read_text())}


def main() -> None:
    from fontTools import subset
    from fontTools.ttLib import TTFont

    font = TTFont(whole_font())
    letters = {glyph: chr(code) for code, glyph in font.getBestCmap().items()}
    glyphs = {}  # by the word that becomes one
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            for first, ligatures in getattr(table, "ExtSubTable", table).ligatures.items():
                for each in ligatures:
                    glyphs["".join(letters.get(part, "?") for part in [first, *each.Component])] = each.LigGlyph
    used = icons_of([*(ROOT / "mnist").rglob("*.py"), *(STATIC / "js").glob("*.js")]) | set(WIDGETS)
    names = sorted(used & set(glyphs))
    options = subset.Options(flavor="woff2", layout_features=["rlig", "liga"], layout_closure=False)
    options.name_IDs = [0, 13, 14]
    maker = subset.Subsetter(options)
    words = [glyph for glyph, letter in letters.items() if re.fullmatch("[a-z0-9_]", letter)]
    maker.populate(glyphs=[*words, *(glyphs[name] for name in names)])
    maker.subset(font)
    font.flavor = "woff2"
    font.save(FONT)
    nothing = TTFont(whole_font())
    maker = subset.Subsetter(subset.Options(flavor="woff2", name_IDs=[0, 13, 14]))
    maker.populate(glyphs=[".notdef"])
    maker.subset(nothing)
    nothing.flavor = "woff2"
    nothing.save(EMPTY)
    NAMES.write_text("\n".join([whole_font().name, *names, ""]))
    print(f"{len(names)} icons, {FONT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
