"""Altair charts of the pages Insight and Model: pure functions from figures to a chart, without widgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import altair as alt

from mnist.ui.label_statistics import CLASSES, Cell, Share

_Chart = TypeVar("_Chart", alt.Chart, alt.LayerChart)


def _spread(chart: _Chart, height: int | alt.Step) -> _Chart:
    """The chart over the whole width. height: of all of it, in px; Streamlit's own margins would take half of that."""
    wide = chart.properties(height=height, width="container", padding={"left": 0, "top": 2, "right": 6, "bottom": 0})
    return wide.configure_legend(padding=0, offset=6, titlePadding=0).configure_axis(titlePadding=8)


def versions_chart(rows: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """Line chart of each version's accuracy.

    rows: oldest version first, each with "version" ("v3"), "what" (which images) and "share" (read right, 0–1).
    """
    order = list(dict.fromkeys(row["version"] for row in rows))
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(point=True)
        .encode(
            x=alt.X("version:N", sort=order, title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("share:Q", title="accuracy", scale=alt.Scale(zero=False), axis=alt.Axis(format=".1%")),
            color=alt.Color("what:N", title=None, legend=alt.Legend(orient="top")),
            tooltip=["version:N", "what:N", alt.Tooltip("share:Q", format=".2%")],
        )
    )
    return _spread(chart, 240)


# Days are counted in UTC: west of Greenwich a browser would show a bare date as the evening before.
DAY = alt.X(
    "utcyearmonthdate(day):T",
    title=None,
    scale=alt.Scale(type="utc"),
    axis=alt.Axis(format="%d %b", tickCount=alt.TimeIntervalStep("day", 1), labelOverlap=True),
)
DAY_IN_WORDS = alt.Tooltip("utcyearmonthdate(day):T", title="day (UTC)")


def days_chart(days: Mapping[tuple[date, str], int]) -> alt.Chart:
    """Bar chart of drawings per day, by source. days: (UTC day, source) → number of drawings."""
    rows = [{"day": day.isoformat(), "source": source, "drawings": count} for (day, source), count in days.items()]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=DAY,
            y=alt.Y("drawings:Q", title="drawings", axis=alt.Axis(format=",d", tickMinStep=1)),
            color=alt.Color("source:N", title=None, legend=alt.Legend(orient="top")),
            tooltip=[DAY_IN_WORDS, "source:N", "drawings:Q"],
        )
    )
    return _spread(chart, 220)


def accuracy_chart(days: Mapping[tuple[date, int], Share]) -> alt.Chart:
    """Line chart of the share read right, by day and model version. days: (UTC day of the label, version) → share."""
    rows = [
        {"day": day.isoformat(), "version": f"v{version}", "share": share.value, "labels": share.count}
        for (day, version), share in sorted(days.items())
    ]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True)
        .encode(
            x=DAY,
            y=alt.Y("share:Q", title="accuracy", scale=alt.Scale(zero=False), axis=alt.Axis(format=".0%")),
            color=alt.Color("version:N", title=None, legend=alt.Legend(orient="top")),
            tooltip=[DAY_IN_WORDS, "version:N", "labels:Q", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return _spread(chart, 220)


CELL = "cell"  # name of the chart's selection, which holds the clicked cell


def confusion_chart(cells: Sequence[Cell], *, ink: str) -> alt.LayerChart:
    """Confusion matrix: rows are people's labels, columns are readings; a click on a cell selects it.

    ink: CSS colour of the counts.
    """
    order = [name for name in CLASSES if any(name in (cell.truth, cell.guess) for cell in cells)]
    rows = [
        {"truth": cell.truth, "guess": cell.guess, "drawings": cell.count, "wrong": cell.truth != cell.guess}
        for cell in cells
    ]
    picked = alt.selection_point(name=CELL, fields=["truth", "guess"])
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("guess:N", sort=order, title="read as", axis=alt.Axis(labelAngle=0, labelOverlap=False, orient="top")),
        y=alt.Y("truth:N", sort=order, title="it is"),
        tooltip=[
            alt.Tooltip("truth:N", title="It is"),
            alt.Tooltip("guess:N", title="Read as"),
            alt.Tooltip("drawings:Q", title="Drawings"),
        ],
    )
    squares = (
        base.mark_rect(cursor="pointer")
        .encode(
            color=alt.Color(
                "wrong:N", legend=None, scale=alt.Scale(domain=[False, True], range=["#2e9e5b", "#d9534f"])
            ),
            opacity=alt.Opacity("drawings:Q", legend=None, scale=alt.Scale(type="sqrt", range=[0.15, 0.85])),
        )
        .add_params(picked)
    )
    counts = base.mark_text(fontSize=11, color=ink).encode(text="drawings:Q")
    return _spread(squares + counts, alt.Step(26))


def reliability_chart(bins: Sequence[tuple[float, Share]]) -> alt.LayerChart:
    """Reliability diagram: share read right against confidence; a calibrated network lies on the dashed line.

    bins: (mean confidence 0–1, share read right).
    """
    rows = [{"confidence": mean, "share": share.value, "labels": share.count} for mean, share in bins]
    least = min([0.5, *(row["confidence"] for row in rows), *(row["share"] for row in rows)])
    scale = alt.Scale(domain=[least, 1])
    line = (
        alt.Chart(alt.Data(values=[{"at": least}, {"at": 1}]))
        .mark_line(strokeDash=[4, 4], color="#7c8494")
        .encode(x=alt.X("at:Q", scale=scale, title=""), y=alt.Y("at:Q", scale=scale, title=""))
    )
    points = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=alt.OverlayMarkDef(size=70))
        .encode(
            x=alt.X("confidence:Q", title="confidence", scale=scale, axis=alt.Axis(format=".0%")),
            y=alt.Y("share:Q", title="accuracy", scale=scale, axis=alt.Axis(format=".0%")),
            tooltip=[
                alt.Tooltip("confidence:Q", format=".1%"),
                alt.Tooltip("share:Q", title="accuracy", format=".1%"),
                alt.Tooltip("labels:Q"),
            ],
        )
    )
    return _spread(line + points, 280)
