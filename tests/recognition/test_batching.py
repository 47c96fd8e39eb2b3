"""Callers who come together are served together, and none pays for another's mistake."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mnist.recognition.batching import Batcher


def test_one_caller_goes_straight_through():
    asked = []

    def double(tasks):
        asked.append(list(tasks))
        return [2 * task for task in tasks]

    assert Batcher(double, at_most=8)(21) == 42
    assert asked == [[21]]


def test_callers_who_come_meanwhile_share_the_next_turn_and_get_their_own_results():
    sizes, may_go_on = [], threading.Event()

    def double(tasks):
        sizes.append(len(tasks))
        if len(sizes) == 1:
            may_go_on.wait(10)
        return [2 * task for task in tasks]

    together = Batcher(double, at_most=4)
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(together, 0)
        while not sizes:
            time.sleep(0.001)
        others = [pool.submit(together, number) for number in range(1, 10)]
        while len(together._queue) < 9:
            time.sleep(0.001)
        may_go_on.set()
        results = [each.result(10) for each in [first, *others]]

    assert results == [2 * number for number in range(10)]
    assert sizes[0] == 1
    assert sum(sizes) == 10
    assert max(sizes) == 4


def test_what_can_not_be_done_fails_for_its_own_caller_only():
    def invert(tasks):
        time.sleep(0.005)
        return [1 / task for task in tasks]

    together = Batcher(invert, at_most=8)
    with ThreadPoolExecutor(8) as pool:
        calls = {number: pool.submit(together, number) for number in (1, 2, 0, 4, 5, 8)}

    with pytest.raises(ZeroDivisionError):
        calls.pop(0).result()
    assert {number: call.result() for number, call in calls.items()} == {n: 1 / n for n in calls}


def test_many_threads_lose_and_repeat_nothing():
    done = []

    def remember(tasks):
        done.extend(tasks)
        return list(tasks)

    together = Batcher(remember, at_most=5)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(together, range(2_000))) == list(range(2_000))
    assert sorted(done) == list(range(2_000))
