"""The history's filters: the widgets, and the same choice read from the address."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import streamlit as st

from mnist import services
from mnist.drawing import IMPORTED, StorageUnavailable, Verdict
from mnist.store.history import NON_DIGIT, NUMBER, Wanted
from mnist.ui.local_time import zone

STATES = {"any": "All", "unlabelled": "Not labelled", "right": "Right", "wrong": "Wrong"}
VERDICTS = {
    Verdict.DIGIT: "sure",
    Verdict.NUMBER: "a sure number",
    Verdict.UNSURE: "unsure",
    Verdict.NOT_A_DIGIT: "not a digit",
}
SOURCES = ("canvas", "upload", "camera", "api", IMPORTED)
TRUTHS = (*map(str, range(10)), NON_DIGIT, NUMBER)
ORDERS = {False: "Newest first", True: "Least sure first"}


def choose(session_id: str | None, on_change: Callable[[], None]) -> Wanted:
    """Show the filters, which the address holds, and return the choice. session_id: whose drawings; None: everybody's.

    on_change: called when one changes.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = st.segmented_control(
            "Label",
            options=list(STATES),
            format_func=STATES.__getitem__,
            default="any",
            key="label",
            bind="query-params",
            on_change=on_change,
        )
        digit = _select("Read as", range(10), key="read", on_change=on_change)
        with st.popover("More", icon=":material/filter_list:"):
            least_sure = st.segmented_control(
                "Order",
                options=list(ORDERS),
                format_func=ORDERS.__getitem__,
                default=False,
                required=True,
                key="order",
                bind="query-params",
                on_change=on_change,
            )
            truth = _select("Labelled as", TRUTHS, key="truth", on_change=on_change)
            verdict = _select("Verdict", VERDICTS, VERDICTS.__getitem__, key="verdict", on_change=on_change)
            source = _select("Source", SOURCES, key="source", on_change=on_change)
            version = _select("Read by version", _versions(), key="version", on_change=on_change)
            days = st.date_input(  # type: ignore[call-overload]
                "Days", value=(), format="YYYY-MM-DD", key="days", bind="query-params", on_change=on_change
            )
    since, until = moments(days)
    return Wanted(
        session_id, state or "any", digit, verdict, source, version, truth, since, until, least_sure=bool(least_sure)
    )


def from_address(session_id: str | None, address: Mapping[str, Sequence[str]]) -> Wanted:
    """The choice that `choose` left in the address, for a page that shows no filters; unknown values choose nothing.

    address: all values of each query parameter.
    """

    def one(key: str, options: Mapping[Any, str]) -> Any:
        named = {text: option for option, text in options.items()}
        return named.get((address.get(key) or [""])[0])

    since, until = moments(_days(address.get("days", ())))
    version = (address.get("version") or [""])[0]
    return Wanted(
        session_id,
        one("label", STATES) or "any",
        one("read", {digit: str(digit) for digit in range(10)}),
        one("verdict", VERDICTS),
        one("source", {source: source for source in SOURCES}),
        int(version) if version.isascii() and version.isdecimal() and len(version) < 9 else None,
        one("truth", {truth: truth for truth in TRUTHS}),
        since,
        until,
        least_sure=bool(one("order", ORDERS)),
    )


def moments(days: Any) -> tuple[datetime | None, datetime | None]:
    """Midnights in the browser's time zone that begin the first day and end the last one; half a range is one day."""
    chosen = list(days) if isinstance(days, tuple) else [days]
    if not chosen or chosen[0] is None:
        return None, None
    midnights = [datetime.combine(day, time(), zone()) for day in chosen]
    return midnights[0], midnights[-1] + timedelta(days=1)


def _days(texts: Sequence[str]) -> tuple[date, ...]:
    try:
        return tuple(date.fromisoformat(text) for text in texts[:2])
    except ValueError:
        return ()


def _select(
    name: str, options: Any, as_text: Callable[[Any], str] = str, *, key: str, on_change: Callable[[], None]
) -> Any:
    """Show a select box; returns one of the options, or None for any."""
    return st.selectbox(
        name,
        [None, *options],
        format_func=lambda one: "any" if one is None else as_text(one),
        width=120,
        key=key,
        bind="query-params",
        on_change=on_change,
    )


def _versions() -> list[int]:
    try:
        return [version.version for version in services.registry().versions() if version.status != "rejected"]
    except StorageUnavailable:
        return []
