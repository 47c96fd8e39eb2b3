"""The insight page: how much is drawn, how well it is read, and where the network errs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from mnist import services
from mnist.drawing import StorageUnavailable
from mnist.store.history import LATEST_DRAWINGS, LATEST_LABELS, Label
from mnist.ui import admin_session, css, gallery, label_statistics, visitor
from mnist.ui.charts import (
    CELL,
    accuracy_chart,
    confusion_chart,
    days_chart,
    reliability_chart,
)
from mnist.ui.notices import show_outage
from mnist.ui.probabilities import counted
from mnist.ui.session_state import memory

SHOWN = 12


@dataclass(slots=True)
class Choice:
    """Which control last chose the cell of the confusion matrix whose drawings are shown."""

    made_by: str | None = None  # "chart" or "box"


def show() -> None:
    st.title("Insight", anchor=False)
    st.caption("How much is drawn here, and how well it is read, by what people said.")
    try:
        days = services.history().drawings_a_day()
        labels = services.history().labels()
    except StorageUnavailable:
        show_outage("There is nothing to show")
        return
    if not days:
        st.info("Nothing yet. As soon as people draw, this page shows how much, and how well it is read.")
        return
    _show_figures(labels)
    st.header("Drawings a day", anchor=False, divider="gray")
    st.altair_chart(days_chart(days))
    if sum(days.values()) == LATEST_DRAWINGS:
        st.caption(f"The latest {LATEST_DRAWINGS:,} drawings, back to {min(days)[0]}.")
    if not labels:
        st.info(
            "No drawing is labelled yet. The rest of this page appears once somebody has tapped the right digit below "
            "an answer."
        )
        return
    _show_accuracy(labels)
    _show_confusion(labels)
    _show_reliability(labels)
    _show_hardest(labels)


def _show_figures(labels: Sequence[Label]) -> None:
    share = label_statistics.share_right(labels)
    half, most = services.metrics().latency(0.5), services.metrics().latency(0.95)
    with st.container(horizontal=True):
        if share.count:
            st.metric(
                "Accuracy",
                counted(share.right, share.count),
                border=True,
                help="The share of the latest labelled drawings that were read as people labelled them.",
            )
        st.metric("Labels", f"{share.count:,}", border=True, help=f"The latest {LATEST_LABELS:,} are looked at.")
        if half is not None and most is not None:
            st.metric(
                "Answer in",
                f"{1000 * half:.0f} ms",
                f"95 % in {1000 * most:.0f} ms",
                delta_color="off",
                delta_arrow="off",
                border=True,
                help="From a picture’s bytes to its stored answer, in this process since it started.",
            )


def _show_accuracy(labels: Sequence[Label]) -> None:
    st.header("Accuracy by day and version", anchor=False, divider="gray")
    st.altair_chart(accuracy_chart(label_statistics.accuracy_by_day(labels)))
    by_version = label_statistics.accuracy_by_version(labels)
    st.caption(
        " · ".join(
            f"version {version}: {counted(share.right, share.count)} of {share.count:,}"
            for version, share in sorted(by_version.items())
        )
    )


def _show_confusion(labels: Sequence[Label]) -> None:
    st.header("Which digits are confused", anchor=False, divider="gray")
    cells = label_statistics.confusion(labels)
    choice = memory(Choice)
    clicked = st.altair_chart(
        confusion_chart(cells, ink=css.ink()),
        on_select=partial(_note_control, choice, "chart"),
        selection_mode=CELL,
        key="confusion",
    )
    mistakes = sorted((cell for cell in cells if cell.truth != cell.guess), key=lambda cell: -cell.count)
    chosen = st.selectbox(
        "Drawings behind one cell: click it above, or choose a mistake",
        [None, *((cell.truth, cell.guess) for cell in mistakes)],
        format_func=lambda pair: "–" if pair is None else f"{pair[0]} read as {pair[1]}",
        on_change=_note_control,
        args=(choice, "box"),
    )
    points = clicked["selection"].get(CELL, []) if clicked else []
    if points and choice.made_by != "box":
        chosen = (points[0]["truth"], points[0]["guess"])
    if chosen is None:
        return
    _show_drawings(label_statistics.in_cell(labels, *chosen), "None of them is yours.", key="cell")


def _note_control(choice: Choice, control: str) -> None:
    """Needed because the chart goes on reporting its last click after the box was used."""
    choice.made_by = control


def _show_reliability(labels: Sequence[Label]) -> None:
    st.header("Is the confidence reliable?", anchor=False, divider="gray")
    bins = label_statistics.reliability(labels)
    if not bins:
        st.caption(f"This needs at least {label_statistics.FEW} labels of similar confidence.")
        return
    st.altair_chart(reliability_chart(bins))


def _show_hardest(labels: Sequence[Label]) -> None:
    st.header("Most confident mistakes", anchor=False, divider="gray")
    wrong = label_statistics.hardest(labels)
    if not wrong:
        st.caption("Every labelled drawing was read right.")
        return
    _show_drawings(wrong, "None of them is yours.", key="hardest")


def _show_drawings(labels: Sequence[Label], empty: str, *, key: str) -> None:
    """Show the labelled drawings: the visitor's own among them, or all for an administrator."""
    is_administrator = admin_session.is_signed_in()
    ids = [label.drawing_id for label in labels]
    try:
        if not is_administrator:
            own = services.history().labelled_by(visitor.session_id())
            ids = [each for each in ids if each in own]
        drawings = services.history().some(ids, most=SHOWN)
        if not drawings:
            st.caption(f"{empty} Other people’s drawings are shown to the administrator only.")
        elif is_administrator:
            gallery.show_with_buttons(drawings, gallery.opener(), key=key)
        else:
            gallery.show(drawings)
    except StorageUnavailable:
        show_outage("The drawings can’t be shown")
