"""Probabilities as text and as bars.

The bars are plain HTML: they appear after every stroke, and a chart would make a phone load 0.9 MB first.
"""

from __future__ import annotations

from collections.abc import Sequence


def probability_bars(probabilities: Sequence[float]) -> str:
    """HTML list with one bar for each digit, styled in mnist/ui/css.py. probabilities: ten, 0–1, indexed by digit."""
    best = max(range(10), key=probabilities.__getitem__)
    rows = "".join(
        f"<li{' class=best' if digit == best else ''}><span>{digit}</span>"
        f'<i style="--share:{probability:.4f}"></i>{as_percent(probability)}</li>'
        for digit, probability in enumerate(probabilities)
    )
    return f'<ul class="bars" aria-label="How likely each digit is">{rows}</ul>'


def as_percent(share: float, digits: int = 1) -> str:
    """Format a share (0–1), 0.998 → "99.8 %"; what is nearly certain is never "100 %", nor what is possible "0 %"."""
    smallest = 10.0**-digits
    if 100 * share >= 100 - smallest / 2:
        return f"> {100 - smallest:.{digits}f} %"
    if 100 * share < smallest / 2:
        return f"< {smallest:.{digits}f} %"
    return f"{100 * share:.{digits}f} %"


def counted(part: float, whole: float, digits: int = 1) -> str:
    """Like `as_percent` for a count, which can be "100 %" or "0 %" exactly. whole: above 0."""
    if part in (0, whole):
        return "100 %" if part else "0 %"
    return as_percent(part / whole, digits)
