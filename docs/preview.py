"""Makes the picture that chats and networks show beside a link to the page: `python -m docs.preview`."""

from __future__ import annotations

from playwright.sync_api import sync_playwright

from mnist.ui import pad_files
from tests.support.strokes import SEVEN
from tests.support.visitor import CHROMIUM, FLAGS

CARD = """<style>
body {{ margin: 0; width: 1200px; height: 630px; display: flex; align-items: center; gap: 80px; background: #12151c;
  color: #e9ecf3; font: 40px system-ui, sans-serif; }}
svg {{ margin-left: 90px; width: 440px; height: 440px; background: #000; border-radius: 12px; }}
path {{ fill: none; stroke: #fff; stroke-width: 9; stroke-linecap: round; stroke-linejoin: round; }}
b {{ display: block; font-size: 76px; margin-bottom: 30px; }}
i {{ font: 700 190px/1 system-ui, sans-serif; color: #7aa2ff; margin-right: 36px; }}
p {{ margin: 0; display: flex; align-items: center; }}
</style>
<svg viewBox="-30 -30 160 160"><path d="{strokes}"/></svg>
<div><b>Draw a digit</b><p><i>7</i>99.9 % sure</p></div>"""


def main() -> None:
    strokes = " ".join("M" + " L".join(f"{x} {y}" for x, y in stroke) for stroke in SEVEN)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = chromium.new_page(viewport={"width": 1200, "height": 630})
        page.set_content(CARD.format(strokes=strokes))
        page.screenshot(path=pad_files.FOLDER / "preview.png")
        chromium.close()


if __name__ == "__main__":
    main()
