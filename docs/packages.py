"""Draw the packages and what each imports, from the imports themselves: `python -m docs.packages`.

An arrow that follows from others is left out: where A imports B and C, and B imports C, only A → B → C is drawn.
Arrows to the ground floor are left out, too: nearly everybody has one.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from tests.support.house import ROOT, arrows, house

PICTURE = ROOT / "docs" / "images" / "packages.svg"
FLOORS = (  # from the top; a test holds that every import goes down
    ("app",),
    ("transfer", "ui", "api"),
    ("train", "retrain", "services", "upgrade"),
    ("retraining", "recognition"),
    ("training", "archive"),
    ("model", "store", "web"),
    ("vision", "drawing", "settings", "metrics"),
)
GROUND = frozenset(FLOORS[-1])
OWNS = {
    "app": "the process",
    "ui": "the page",
    "api": "REST, health, metrics",
    "train": "a command",
    "retrain": "a command",
    "transfer": "a command",
    "upgrade": "a command",
    "services": "objects of the process",
    "retraining": "labels → next version",
    "recognition": "picture → stored answer",
    "training": "data, fitting, drawing",
    "archive": "a zip of drawings",
    "model": "network, weights, numbers",
    "store": "tables, locks, queries",
    "web": "cookies, limits, headers",
    "vision": "pixels → frames",
    "drawing": "the domain's words",
    "settings": "the environment",
    "metrics": "Prometheus",
}
WIDTH, BOX, HIGH, FLOOR = 920, 170, 46, 92


def picture(imported: Mapping[str, set[str]]) -> str:
    """An SVG of FLOORS with an arrow for each import that does not follow from others."""
    places, height = _places(), FLOOR * len(FLOORS)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        "<title>The packages of mnist/ and what each imports</title>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#5b6b8c"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for above in sorted(places):
        for below in sorted(_direct(above, imported)):
            (x, y), (to_x, to_y) = places[above], places[below]
            start, end = y + HIGH, to_y - 2
            middle = (start + end) / 2
            lines.append(
                f'<path d="M{x} {start} C{x} {middle:g} {to_x} {middle:g} {to_x} {end}" fill="none" stroke="#5b6b8c" '
                f'stroke-width="1.3" marker-end="url(#head)"><title>{above} imports {below}</title></path>'
            )
    for name, (x, y) in places.items():
        lines.append(
            f'<rect x="{x - BOX / 2:g}" y="{y}" width="{BOX}" height="{HIGH}" rx="7" fill="#eef3ff" stroke="#2456d6"/>'
            f'<text x="{x}" y="{y + 19}" text-anchor="middle" font-size="15" font-weight="bold">{name}</text>'
            f'<text x="{x}" y="{y + 36}" text-anchor="middle" font-size="12" fill="#444">{escape(OWNS[name])}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _places() -> dict[str, tuple[int, int]]:
    """The middle of each box from the left, and its upper edge."""
    return {
        name: (WIDTH * (2 * number + 1) // (2 * len(names)), FLOOR * floor + (FLOOR - HIGH) // 2)
        for floor, names in enumerate(FLOORS)
        for number, name in enumerate(names)
    }


def _direct(room: str, imported: Mapping[str, set[str]]) -> set[str]:
    """What a room imports and reaches by no other of its imports."""
    direct = {below for below in imported[room] if not any(below in _all(other, imported) for other in imported[room])}
    return direct - GROUND


def _all(room: str, imported: Mapping[str, set[str]]) -> set[str]:
    """What a room imports, and what that imports, and so on."""
    return imported[room] | {deeper for below in imported[room] for deeper in _all(below, imported)}


if __name__ == "__main__":
    PICTURE.write_text(picture(arrows(house())))
    print(Path(PICTURE).relative_to(ROOT))
