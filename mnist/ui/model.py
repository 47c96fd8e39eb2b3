"""The network that answers: where it came from, how well it does, and every version before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mnist import services
from mnist.drawing import StorageUnavailable
from mnist.store.model_registry import Version
from mnist.ui import administrator, retraining
from mnist.ui.charts import versions_chart
from mnist.ui.probabilities import counted

STATUS = {"active": "active", "retired": "replaced", "rejected": "rejected"}


def show() -> None:
    st.title("Model", anchor=False)
    card = services.recogniser().model
    st.caption(f"Version {card.version} answers now. It was trained from {card.trained_from}.")
    try:
        versions = services.registry().versions()
    except StorageUnavailable:
        st.info("The versions can’t be shown: the database can’t be reached.", icon=":material/cloud_off:")
        return
    if not versions:
        st.info("No version is in the database yet; the first start puts the shipped one there.")
        return
    active = next(version for version in versions if version.status == "active")
    _show_figures(active)
    if told := feedback(active):
        st.caption(told)
    if administrator.is_signed_in():
        retraining.show(versions)
    st.subheader("Versions", anchor=False, divider="gray")
    if len(versions) == 1:
        st.caption("Only the network that came with the application, so far. Retraining on corrections adds versions.")
    else:
        st.altair_chart(versions_chart(figures(versions)))
    st.dataframe(
        table(versions),
        hide_index=True,
        placeholder="–",
        column_config={
            "made": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "why": st.column_config.TextColumn(width="large"),
        },
    )


def _show_figures(active: Version) -> None:
    measured = _measured(active)
    with st.container(horizontal=True):
        for name, key, words in (
            ("MNIST test images", "test_accuracy", "Read right, of 10,000 that it was never trained on."),
            ("MNIST validation", "mnist_validation", "Read right, of 5,000 training images that were held back."),
            ("People’s drawings", "user_drawn", "Read right, of labelled drawings by people it never learned from."),
        ):
            if measured.get(key) is not None:
                st.metric(name, counted(measured[key], 1, digits=2), help=words, border=True)


def feedback(version: Version) -> str | None:
    """What became of the labels that a retraining read, in one line; None where none was read."""
    learned, held_out = version.metrics.get("rows", 0), version.metrics.get("held_out", 0)
    set_aside = version.metrics.get("set_aside", {})
    if (total := learned + held_out + sum(set_aside.values())) == 0:
        return None
    told = f"Of {total:,} labels it learned {learned:,} ({counted(learned, total, digits=0)})"
    told += f"; {held_out:,} from people it never learns from were held out to test it"
    told += f"; {sum(set_aside.values()):,} were set aside"
    reasons = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in sorted(set_aside.items())]
    return f"{told}{': ' if reasons else ''}{', '.join(reasons)}."


def figures(versions: Sequence[Version]) -> list[dict[str, Any]]:
    """A row a version and figure, oldest first: version, what ("MNIST validation", "people’s drawings"), share 0–1."""
    rows = []
    for version in reversed(versions):
        measured = _measured(version)
        for what, key in (("MNIST validation", "mnist_validation"), ("people’s drawings", "user_drawn")):
            if version.status != "rejected" and measured.get(key) is not None:
                rows.append({"version": f"v{version.version}", "what": what, "share": measured[key]})
    return rows


def table(versions: Sequence[Version]) -> list[dict[str, Any]]:
    """A row a version, newest first, in words for people."""
    active = max((version.version for version in versions if version.status == "active"), default=0)
    return [
        {
            "version": f"v{version.version}",
            # A release's network does not take away what people have taught: the next retraining begins with it.
            "state": STATUS[version.status]
            if version.parent or version.version <= active
            else "waiting for the next retraining",
            "made": version.created_at,
            "corrections": version.metrics.get("rows"),
            "people": version.metrics.get("people"),
            "set aside": sum(version.metrics.get("set_aside", {}).values()) or None,
            "why": "; ".join(version.metrics.get("why", []))
            or ("came with the application" if version.parent is None else "passed every test"),
        }
        for version in versions
    ]


def _measured(version: Version) -> Mapping[str, Any]:
    """A retraining measured the version after itself; train.py wrote a report of its own."""
    metrics = version.metrics
    validation = metrics.get("validation", {}).get("mnist_validation", {}).get("accuracy")
    return {"mnist_validation": validation, **metrics, **(metrics.get("after") or {})}
