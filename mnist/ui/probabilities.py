"""What the network believes of one drawing, as words and as a chart.

The chart is ready-made Vega-Lite over an Arrow table: Altair, for which the other charts wait, takes 0.4 s and 26 MiB
to load and 20 ms to build it; rows that are no table go through pandas, which takes 0.9 ms instead of 0.05.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

_AXIS = {
    "ticks": False,
    "domain": False,
    "labelFontSize": 13,
    "labelOverlap": False,
    "labelBaseline": "middle",
    "labelFlush": False,
    "labelPadding": 6,
}
_ENCODING = {
    "x": {"field": "probability", "type": "quantitative", "scale": {"domain": [0, 1.12]}, "axis": None, "title": None},
    "y": {"field": "digit", "type": "nominal", "sort": None, "axis": _AXIS, "title": None},
    "tooltip": [
        {"field": "digit", "type": "nominal", "title": "Digit"},
        {"field": "text", "type": "nominal", "title": "Probability"},
    ],
}
_BARS = {
    "mark": {"type": "bar", "cornerRadiusEnd": 3},
    "encoding": {"opacity": {"condition": {"test": "datum.best", "value": 1}, "value": 0.45}},
}


def probability_bars(probabilities: Sequence[float], *, ink: str) -> dict[str, Any]:
    """One bar a digit, in Vega-Lite. probabilities: ten, 0–1, indexed by digit; ink: the colour of the text."""
    best = max(range(10), key=probabilities.__getitem__)
    rows = [
        {"digit": str(digit), "probability": probability, "text": as_percent(probability), "best": digit == best}
        for digit, probability in enumerate(probabilities)
    ]
    texts = {
        "mark": {"type": "text", "align": "left", "dx": 4, "fontSize": 12, "color": ink},
        "encoding": {"text": {"field": "text", "type": "nominal"}},
    }
    return {
        "data": {"values": pa.Table.from_pylist(rows)},
        "encoding": _ENCODING,
        "layer": [_BARS, texts],
        "height": {"step": 19},
        "width": "container",
    }


def as_percent(share: float, digits: int = 1) -> str:
    """0.998 → "99.8 %"; never "100 %" for what is only nearly certain, nor "0 %" for what is possible."""
    smallest = 10.0**-digits
    if 100 * share >= 100 - smallest / 2:
        return f"> {100 - smallest:.{digits}f} %"
    if 100 * share < smallest / 2:
        return f"< {smallest:.{digits}f} %"
    return f"{100 * share:.{digits}f} %"
