"""The model page: the version that answers and all others; an administrator can retrain or roll back."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mnist import __version__, services
from mnist.drawing import StorageUnavailable
from mnist.store.administration import MANY
from mnist.store.model_registry import NoSuchVersion, Version
from mnist.ui import admin_session, gallery, label_buttons, visitor
from mnist.ui.charts import versions_chart
from mnist.ui.local_time import zone
from mnist.ui.notices import show_outage
from mnist.ui.probabilities import counted
from mnist.ui.session_state import memory

STATUS = {"active": "active", "retired": "replaced", "rejected": "rejected"}


@dataclass(slots=True)
class RollbackResult:
    """What to tell the administrator after a rollback; shown once."""

    done: str | None = None
    problem: str | None = None


def show() -> None:
    st.title("Model", anchor=False)
    card = services.recogniser().model
    st.caption(f"Version {card.version} answers now. It was trained from {card.trained_from}.")
    st.caption(f"The application is version {__version__}.")
    try:
        versions = services.registry().versions()
    except StorageUnavailable:
        show_outage("The versions can’t be shown")
        return
    if not versions:
        st.info("No version is in the database yet; the first start puts the shipped one there.")
        return
    active = next(version for version in versions if version.status == "active")
    _show_figures(active)
    if line := feedback(active):
        st.caption(line)
    _show_exam(active)
    if admin_session.is_signed_in():
        st.header("Retraining", anchor=False, divider="gray")
        _show_retraining()
        _offer_to_roll_back(versions)
    st.header("Versions", anchor=False, divider="gray")
    if len(versions) == 1:
        st.caption("Only the network that came with the application, so far. Retraining on labels adds versions.")
    else:
        st.altair_chart(versions_chart(figures(versions)))
    st.dataframe(
        table(versions),
        hide_index=True,
        placeholder="–",
        column_config={
            "made": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone=str(zone())),
            "why": st.column_config.TextColumn(width="large"),
        },
    )


def _show_figures(active: Version) -> None:
    measured = _measured(active)
    with st.container(horizontal=True):
        for name, key, words in (
            ("MNIST test images", "test_accuracy", "Accuracy on 10,000 images that it was never trained on."),
            ("MNIST validation", "mnist_validation", "Accuracy on 5,000 training images that were held back."),
            ("People’s drawings", "user_drawn", "Accuracy on labelled drawings by people it never learned from."),
        ):
            if measured.get(key) is not None:
                st.metric(name, counted(measured[key], 1, digits=2), help=words, border=True)


def _show_exam(version: Version) -> None:
    """Show held-out drawings that this version reads and the one before did not, and those that it no longer reads.

    Everybody sees their own among them; the administrator sees all.
    """
    for words, key in (("now reads", "now_read"), ("no longer reads", "no_longer_read")):
        ids = [uuid.UUID(each) for each in version.metrics.get(key, [])]
        if not ids:
            continue
        is_administrator = admin_session.is_signed_in()
        try:
            own = ids if is_administrator else services.history().labelled_by(visitor.session_id())
            drawings = services.history().some([each for each in ids if each in own], most=len(ids))
        except StorageUnavailable:
            return
        whose = "" if is_administrator else f"; {len(drawings)} of them yours"
        st.caption(f"Of the drawings held out to test it, it {words} {len(ids)}{whose}.")
        if drawings and is_administrator:
            gallery.show_with_buttons(drawings, gallery.opener(), key=key)
        elif drawings:
            gallery.show(drawings)


def feedback(version: Version) -> str | None:
    """How many labels this version's retraining learned, held out and set aside, in one line; None if it read none."""
    learned, held_out = version.metrics.get("rows", 0), version.metrics.get("held_out", 0)
    set_aside = version.metrics.get("set_aside", {})
    if (total := learned + held_out + sum(set_aside.values())) == 0:
        return None
    line = f"Of {total:,} labels it learned {learned:,} ({counted(learned, total, digits=0)})"
    if (corrections := version.metrics.get("corrections")) is not None:
        line += f", {corrections:,} of them {'a correction' if corrections == 1 else 'corrections'}"
    line += f"; {held_out:,} from people it never learns from were held out to test it"
    line += f"; {sum(set_aside.values()):,} were set aside"
    reasons = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in sorted(set_aside.items())]
    return f"{line}{': ' if reasons else ''}{', '.join(reasons)}."


def figures(versions: Sequence[Version]) -> list[dict[str, Any]]:
    """One row for each figure of each version that was not rejected, oldest first.

    Keys: "version" ("v3"), "what" ("MNIST validation" or "people’s drawings"), "share" (read right, 0–1).
    """
    rows = []
    for version in reversed(versions):
        measured = _measured(version)
        for what, key in (("MNIST validation", "mnist_validation"), ("people’s drawings", "user_drawn")):
            if version.status != "rejected" and measured.get(key) is not None:
                rows.append({"version": f"v{version.version}", "what": what, "share": measured[key]})
    return rows


def table(versions: Sequence[Version]) -> list[dict[str, Any]]:
    """One row for each version, newest first, worded for people."""
    active = max((version.version for version in versions if version.status == "active"), default=0)
    return [
        {
            "version": f"v{version.version}",
            # A new release's network does not replace what people have taught; the next retraining starts from it.
            "state": STATUS[version.status]
            if version.parent or version.version <= active
            else "waiting for the next retraining",
            "made": version.created_at,
            "labels": version.metrics.get("rows"),
            "corrections": version.metrics.get("corrections"),
            "people": version.metrics.get("people"),
            "set aside": sum(version.metrics.get("set_aside", {}).values()) or None,
            "why": "; ".join(version.metrics.get("why", []))
            or ("came with the application" if version.parent is None else "passed every test"),
        }
        for version in versions
    ]


def _measured(version: Version) -> Mapping[str, Any]:
    """The version's measurements: retraining stores them under "after", the report of train.py at the top level."""
    metrics = version.metrics
    validation = metrics.get("validation", {}).get("mnist_validation", {}).get("accuracy")
    return {"mnist_validation": validation, **metrics, **(metrics.get("after") or {})}


# --- what an administrator does to the network


def _show_retraining() -> None:
    """Show the button and the progress; while a retraining runs, only this part of the page runs again each second."""
    progress = services.background().progress
    is_running = progress is not None and progress.is_running

    @st.fragment(run_every=1 if is_running else None)
    def watch() -> None:
        now = services.background().progress
        if is_running and (now is None or not now.is_running):
            st.rerun()  # it has ended, and the versions below have changed
        st.button(
            "Retrain now",
            type="primary",
            icon=":material/school:",
            disabled=is_running,
            help="Learns from the labels as retrain.py does, behind the same gate.",
            on_click=services.background().start,
            key="retrain",
        )
        if now is not None and now.is_running:
            st.progress(now.share, text=f"{now.stage} …")
        else:
            if now is not None:
                (st.error if now.failed else st.success)(now.result)
            st.caption(_waiting())
        if not is_running and now is not None and now.is_running:
            st.rerun()  # it has just started, so begin to poll every second

    watch()


def _waiting() -> str:
    try:
        waiting = services.labels().waiting(at_most=MANY)
    except StorageUnavailable:
        return "The database can’t be reached."
    return f"{label_buttons.how_many(waiting)} new {'label waits' if waiting == 1 else 'labels wait'} to be learned."


def _offer_to_roll_back(versions: Sequence[Version]) -> None:
    result = memory(RollbackResult)
    if result.problem:
        st.error(result.problem)
        result.problem = None
    if result.done:
        st.success(result.done)
        result.done = None
    earlier = [version.version for version in versions if version.status == "retired"]
    if not earlier:
        return
    with st.popover("Serve another version", icon=":material/history:"):
        st.write("Labels that it did not learn are set aside; serving a version that did brings them back.")
        to = st.selectbox("Version", earlier, format_func=lambda number: f"v{number}")
        st.button("Serve it", type="primary", on_click=_roll_back, args=(result, to))


def _roll_back(result: RollbackResult, to: int) -> None:
    try:
        version = services.registry().roll_back(to)
    except (StorageUnavailable, NoSuchVersion) as error:
        result.problem = f"Nothing was changed: {error}"
    else:
        result.done = f"Version {version.version} serves again, within a few seconds."
