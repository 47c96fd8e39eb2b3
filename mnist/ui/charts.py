"""Charts: functions from what was recognised to an Altair chart, no widgets."""

from __future__ import annotations

from collections.abc import Sequence

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


def as_percent(share: float) -> str:
    """0.998 → "99.8 %"; never "100 %" for what is only nearly certain, nor "0 %" for what is possible."""
    if share >= 0.9995:
        return "> 99.9 %"
    if share < 0.0005:
        return "< 0.1 %"
    return f"{100 * share:.1f} %"
