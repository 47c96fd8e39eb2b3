"""What the network believes of one drawing, as words and as bars.

The bars are plain HTML: they are there at every stroke, and a phone would have to load 0.9 MB first to draw a chart.
"""

from __future__ import annotations

from collections.abc import Sequence


def probability_bars(probabilities: Sequence[float]) -> str:
    """One bar a digit, in HTML that mnist/ui/css.py paints. probabilities: ten, 0–1, indexed by digit."""
    best = max(range(10), key=probabilities.__getitem__)
    rows = "".join(
        f"<li{' class=best' if digit == best else ''}><span>{digit}</span>"
        f'<i style="--share:{probability:.4f}"></i>{as_percent(probability)}</li>'
        for digit, probability in enumerate(probabilities)
    )
    return f'<ul class="bars" aria-label="How likely each digit is">{rows}</ul>'


def as_percent(share: float, digits: int = 1) -> str:
    """0.998 → "99.8 %"; never "100 %" for what is only nearly certain, nor "0 %" for what is possible."""
    smallest = 10.0**-digits
    if 100 * share >= 100 - smallest / 2:
        return f"> {100 - smallest:.{digits}f} %"
    if 100 * share < smallest / 2:
        return f"< {smallest:.{digits}f} %"
    return f"{100 * share:.{digits}f} %"


def counted(part: float, whole: float, digits: int = 1) -> str:
    """As `as_percent`, of what was counted: that may well be all or nothing. whole: above 0."""
    if part in (0, whole):
        return "100 %" if part else "0 %"
    return as_percent(part / whole, digits)
