"""Charts: functions from what was recognised to an Altair chart, no widgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt


def probability_bars(probabilities: Sequence[float], *, ink: str) -> alt.LayerChart:
    """One bar a digit. probabilities: ten, 0–1, indexed by digit; ink: the colour of the text."""
    best = max(range(10), key=probabilities.__getitem__)
    rows = [
        {"digit": str(digit), "probability": probability, "text": as_percent(probability), "best": digit == best}
        for digit, probability in enumerate(probabilities)
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y(
            "digit:N",
            title=None,
            sort=None,
            axis=alt.Axis(
                ticks=False,
                domain=False,
                labelFontSize=13,
                labelOverlap=False,
                labelBaseline="middle",
                labelFlush=False,
                labelPadding=6,
            ),
        ),
        x=alt.X("probability:Q", title=None, scale=alt.Scale(domain=[0, 1.12]), axis=None),
        tooltip=[alt.Tooltip("digit:N", title="Digit"), alt.Tooltip("text:N", title="Probability")],
    )
    bars = base.mark_bar(cornerRadiusEnd=3).encode(opacity=alt.condition("datum.best", alt.value(1), alt.value(0.45)))
    texts = base.mark_text(align="left", dx=4, fontSize=12, color=ink).encode(text="text:N")
    return (bars + texts).properties(height=alt.Step(19), width="container")


def versions_chart(rows: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """How well each version reads. rows: version "v3", what is read, share read right 0–1; oldest first."""
    order = list(dict.fromkeys(row["version"] for row in rows))
    return (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(point=True)
        .encode(
            x=alt.X("version:N", sort=order, title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("share:Q", title="read right", scale=alt.Scale(zero=False), axis=alt.Axis(format=".1%")),
            color=alt.Color("what:N", title=None, legend=alt.Legend(orient="top")),
            tooltip=["version:N", "what:N", alt.Tooltip("share:Q", format=".2%")],
        )
        .properties(height=220, width="container")
    )


def as_percent(share: float, digits: int = 1) -> str:
    """0.998 → "99.8 %"; never "100 %" for what is only nearly certain, nor "0 %" for what is possible."""
    smallest = 10.0**-digits
    if 100 * share >= 100 - smallest / 2:
        return f"> {100 - smallest:.{digits}f} %"
    if 100 * share < smallest / 2:
        return f"< {smallest:.{digits}f} %"
    return f"{100 * share:.{digits}f} %"
