"""Who weighs how much in the exam: attacks by one visitor, and a class behind one router."""

import pytest
import torch

from mnist.retraining.exam import Change, compare, weights
from mnist.retraining.gate import says_worse


def change(*votes: tuple[str, str | None, int, int, int]) -> Change:
    """votes: (person, network, labels lost, won, unchanged)."""
    people, networks, before, after = [], [], [], []
    for person, network, lost, won, same in votes:
        people += [person] * (lost + won + same)
        networks += [network] * (lost + won + same)
        before += [True] * lost + [False] * won + [True] * same
        after += [False] * lost + [True] * won + [True] * same
    return compare(torch.tensor(before, dtype=torch.bool), torch.tensor(after, dtype=torch.bool), people, networks)


HONEST = [(f"visitor {number}", f"network {number}", 0, 1, 7) for number in range(12)]


def test_a_person_and_a_network_weigh_no_more_than_their_caps():
    people = ["eager"] * 40 + [f"pupil {number}" for number in range(60)]
    networks = [None] * 40 + ["school"] * 60

    found = weights(people, networks)

    assert float(found[:40].sum()) == pytest.approx(10)
    assert float(found[40:].sum()) == pytest.approx(30)
    assert weights(["a", "b"], [None, None]).tolist() == [1, 1]


def test_one_visitor_with_many_sessions_cannot_stop_a_good_candidate():
    blockers = [(f"invented {number}", "theirs", 33, 0, 0) for number in range(4)]

    found = change(*HONEST, *blockers)

    assert not says_worse(found)
    assert found.blocked_by == 4


def test_one_visitor_with_many_sessions_cannot_get_a_bad_candidate_through():
    harmed = [(f"visitor {number}", f"network {number}", 1, 0, 7) for number in range(12)]
    praise = [(f"invented {number}", "theirs", 0, 20, 0) for number in range(10)]

    assert says_worse(change(*harmed, *praise))


@pytest.mark.parametrize("share", ["a visitor", None])
def test_what_several_people_lose_is_a_reason(share):
    losers = [(f"loser {number}", f"network of {number}" if share else None, 2, 0, 6) for number in range(4)]

    assert says_worse(change(*losers, *[(person, network, 0, 0, 8) for person, network, *_ in HONEST]))


def test_a_class_behind_one_router_is_heard():
    pupils = [(f"pupil {number}", "school", 2, 0, 6) for number in range(20)]

    assert says_worse(change(*pupils))


def test_where_only_one_person_labels_they_decide():
    assert says_worse(change(("me", "home", 3, 1, 20)))
    assert not says_worse(change(("me", "home", 1, 3, 20)))


def test_nobody_in_the_exam_is_no_reason():
    assert not says_worse(change())
