"""How often a client may come."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mnist.web.rate_limit import SWEEP_SECONDS, Budget, MovingWindow


@pytest.fixture
def clock(monkeypatch):
    """Move it on with `clock(seconds)`."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def clock(seconds: float) -> None:
        now[0] += seconds

    return clock


def test_the_window_moves_with_each_that_came(clock):
    window = MovingWindow((2, 60))
    assert window.hit("a") == 0
    clock(20)
    assert window.hit("a") == 0

    assert window.hit("a") == pytest.approx(40)
    clock(40)
    assert window.hit("a") == 0
    assert window.hit("a") == pytest.approx(20)  # what was turned away does not count
    assert window.hit("b") == 0


def test_all_limits_hold(clock):
    window = MovingWindow((2, 60), (3, 3600))
    for wait in (0, 60, 60):
        window.count("a")
        clock(wait)
    assert window.wait("a") == pytest.approx(3600 - 120)

    clock(3600 - 120)
    assert window.wait("a") == 0


def test_whoever_stays_away_is_forgotten(clock):
    window = MovingWindow((600, 60))
    for number in range(1_000):
        window.hit(str(number))
    clock(SWEEP_SECONDS + 61)

    window.hit("another")

    assert len(window) == 1


def test_whoever_is_still_held_back_is_not_forgotten(clock):
    window = MovingWindow((1, 3600))
    window.hit("a")
    clock(SWEEP_SECONDS + 1)
    window.hit("b")

    assert window.wait("a") > 0


def test_many_at_once_do_not_get_through_together():
    window = MovingWindow((100, 60))
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(window.hit, ["a"] * 2_000))

    assert waits.count(0) == 100


def test_a_heavy_event_takes_as_much_room_as_many_and_leaves_when_they_would(monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    window = MovingWindow((10, 60))

    assert window.hit("a", 6) == 0
    assert window.hit("a", 4) == 0
    assert window.hit("a", 1) == pytest.approx(60)
    now += 61
    assert window.hit("a", 99) == 0  # as the whole limit
    assert window.hit("a") > 0


def test_a_budget_comes_back_evenly_and_is_each_clients_own(monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    budget = Budget((100, 60), (1000, 3600))

    budget.spend("a", 160)
    assert budget.wait("a") == pytest.approx(36)
    assert budget.wait("b") == 0
    now += 37
    assert budget.wait("a") == 0
    budget.spend("a", 1000)
    assert budget.wait("a") > 500  # the longer limit


def test_a_budget_of_nothing_is_no_limit_and_who_stays_away_is_forgotten(monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    unlimited, budget = Budget((0, 60)), Budget((100, 60))
    unlimited.spend("a", 10**12)
    for number in range(1000):
        budget.spend(str(number), 10)
    now += 100
    budget.spend("a", 10)

    assert unlimited.wait("a") == 0
    assert len(budget._levels) == 1
