"""Times in the zone of the visitor's browser."""

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest

from mnist.ui import history_filters
from mnist.ui.local_time import local, zone

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def browser_in(monkeypatch):
    return lambda name: monkeypatch.setattr("streamlit.context", SimpleNamespace(timezone=name))


@pytest.mark.parametrize(("name", "text"), [
    ("Asia/Kolkata", "2026-11-20 17:30"), ("America/Los_Angeles", "2026-11-20 04:00"), (None, "2026-11-20 12:00"),
    ("Nowhere/At all", "2026-11-20 12:00"), ("../../etc/passwd", "2026-11-20 12:00"), ("\0", "2026-11-20 12:00"),
    ("x" * 10_000, "2026-11-20 12:00"), ("Europe", "2026-11-20 12:00"), ("é" * 300, "2026-11-20 12:00"),
])  # fmt: skip
def test_a_moment_is_told_in_the_browsers_zone_and_in_utc_where_that_is_unknown(browser_in, name, text):
    browser_in(name)

    assert f"{local(NOON):%Y-%m-%d %H:%M}" == text
    assert str(zone())


def test_the_days_of_the_history_begin_at_the_browsers_midnight(browser_in):
    browser_in("America/New_York")

    # The clocks go back on 1 November 2026: that day has 25 hours.
    since, until = history_filters.moments((date(2026, 11, 1), date(2026, 11, 1)))

    assert since.astimezone(UTC) == datetime(2026, 11, 1, 4, tzinfo=UTC)
    assert until.astimezone(UTC) == datetime(2026, 11, 2, 5, tzinfo=UTC)
    assert history_filters.moments(()) == (None, None)
