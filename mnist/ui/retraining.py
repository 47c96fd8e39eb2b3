"""What an administrator does to the network: retrain it, and go back to an earlier version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from mnist import services
from mnist.drawing import StorageUnavailable
from mnist.store.administration import MANY
from mnist.store.model_registry import NoSuchVersion, Version
from mnist.ui import labels
from mnist.ui.memory import memory


@dataclass(slots=True)
class RolledBack:
    done: str | None = None
    problem: str | None = None


def show(versions: Sequence[Version]) -> None:
    st.subheader("Retraining", anchor=False, divider="gray")
    _show_retraining()
    _offer_to_roll_back(versions)


def _show_retraining() -> None:
    """Looks again every second while a retraining runs; nothing else of the page waits for it."""
    progress = services.background().progress
    is_running = progress is not None and progress.is_running

    @st.fragment(run_every=1 if is_running else None)
    def watch() -> None:
        now = services.background().progress
        if is_running and (now is None or not now.is_running):
            st.rerun()  # it has ended: the versions below have changed
        st.button(
            "Retrain now",
            type="primary",
            icon=":material/school:",
            disabled=is_running,
            help="Learns from the corrections as retrain.py does, behind the same gate.",
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
            st.rerun()  # just started: begin to look every second

    watch()


def _waiting() -> str:
    try:
        waiting = services.labels().waiting(at_most=MANY)
    except StorageUnavailable:
        return "The database can’t be reached."
    return f"{labels.how_many(waiting)} new {'label waits' if waiting == 1 else 'labels wait'} to be learned."


def _offer_to_roll_back(versions: Sequence[Version]) -> None:
    came = memory(RolledBack)
    if came.problem:
        st.error(came.problem)
        came.problem = None
    if came.done:
        st.success(came.done)
        came.done = None
    earlier = [version.version for version in versions if version.status == "retired"]
    if not earlier:
        return
    with st.popover("Serve another version", icon=":material/history:"):
        st.write("Labels that it did not learn are set aside; serving a version that did brings them back.")
        to = st.selectbox("Version", earlier, format_func=lambda number: f"v{number}")
        st.button("Serve it", type="primary", on_click=_roll_back, args=(came, to))


def _roll_back(came: RolledBack, to: int) -> None:
    try:
        version = services.registry().roll_back(to)
    except (StorageUnavailable, NoSuchVersion) as error:
        came.problem = f"Nothing was changed: {error}"
    else:
        came.done = f"Version {version.version} serves again, within a few seconds."
