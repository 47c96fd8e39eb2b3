"""Labelling many drawings: one after the other, or several at once."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from mnist.drawing import AlreadyProcessed, StorageUnavailable
from mnist.store.history import NON_DIGIT, Wanted
from mnist.ui import history_filters, ticks
from mnist.ui.views import administration, history
from mnist.ui.views import drawing as drawing_view
from tests.ui.test_views import LABELLED, drawing

FOLLOWING = uuid.uuid4()


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(now=100.0)
    monkeypatch.setattr("time.monotonic", lambda: now.now)
    return now


@pytest.fixture
def stored(monkeypatch):
    """What is stored as (id, label)."""
    given = []
    recogniser = SimpleNamespace(correct_by_id=lambda drawing_id, label: given.append((drawing_id, label)))
    monkeypatch.setattr("mnist.services.recogniser", lambda: recogniser)
    return given


@pytest.fixture
def address(monkeypatch):
    parameters: dict[str, str] = {}
    monkeypatch.setattr("streamlit.query_params", parameters)
    return parameters


@pytest.mark.parametrize(("before", "label", "follows"), [
    ({}, 7, True),
    ({}, None, True),
    ({"true_label": 7, "labelled_at": LABELLED}, 7, True),
    ({"true_label": 1, "labelled_at": LABELLED}, 7, False),  # a change is to be seen
    ({"labelled_at": LABELLED}, 7, False),
])  # fmt: skip
def test_the_next_drawing_follows_a_label_but_for_one_that_is_changed(address, stored, clock, before, label, follows):
    shown = drawing(**before)

    drawing_view._label(drawing_view.DrawingActions(), shown, False, FOLLOWING, label)

    assert stored == [(shown.id, label)]
    assert address == ({"drawing": str(FOLLOWING)} if follows else {})


def test_the_last_drawing_of_the_list_stays(address, stored, clock):
    drawing_view._label(drawing_view.DrawingActions(), drawing(), False, None, 7)

    assert (len(stored), address) == (1, {})


@pytest.mark.parametrize(("seconds", "label", "counts"), [
    (None, 3, False), (0.1, 3, False), (0.1, 4, False), (0.5, 3, False), (0.5, 4, True), (1, 3, True),
])  # fmt: skip
def test_a_double_tap_labels_one_drawing(address, stored, clock, seconds, label, counts):
    actions, second = drawing_view.DrawingActions(), drawing()
    drawing_view._label(actions, drawing(), False, second.id, 3)
    if seconds is not None:  # else the page has not shown it yet
        actions.appeared_at = clock.now
        clock.now += seconds

    drawing_view._label(actions, second, False, FOLLOWING, label)

    assert len(stored) == 1 + counts


def test_a_label_that_was_not_stored_leads_nowhere(address, monkeypatch, clock):
    def final(*_):
        raise AlreadyProcessed("A retraining has looked at it.")

    monkeypatch.setattr("mnist.services.recogniser", lambda: SimpleNamespace(correct_by_id=final))
    actions = drawing_view.DrawingActions()

    drawing_view._label(actions, drawing(), False, FOLLOWING, 7)

    assert (actions.problem, address) == ("Not stored: A retraining has looked at it.", {})


def test_the_filters_are_read_from_the_address_of_a_drawing(monkeypatch):
    monkeypatch.setattr("streamlit.context", SimpleNamespace(timezone="UTC"))
    address = {
        "label": ["Not labelled"], "read": ["7"], "verdict": ["unsure"], "source": ["api"], "version": ["3"],
        "truth": ["not a digit"], "order": ["Least sure first"], "days": ["2026-11-01", "2026-11-02"],
    }  # fmt: skip

    assert history_filters.from_address("me", address) == Wanted(
        "me", "unlabelled", 7, "unsure", "api", 3, NON_DIGIT,
        datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC), least_sure=True,
    )  # fmt: skip
    nonsense = {key: ["x" * 300] for key in address} | {"version": ["9" * 300], "days": ["2026-11-01", "\0"]}
    assert history_filters.from_address("me", nonsense) == Wanted("me")


def test_who_has_signed_out_finds_only_own_drawings_beside_one(monkeypatch):
    monkeypatch.setattr("mnist.ui.visitor.session_id", lambda: "me")
    monkeypatch.setattr("mnist.ui.admin_session.is_signed_in", lambda: False)

    assert history._list_around(history.Book(wanted=Wanted(None, "wrong"))) == Wanted("me", "wrong")


def test_ticked_drawings_get_one_label_and_what_is_final_is_told(monkeypatch):
    given, tiles = [], [drawing() for _ in range(4)]
    monkeypatch.setattr("mnist.ui.ticks.value_of", {"ticks_5": [0, 2, 3]}.get)

    def store(drawing_id, label):
        if drawing_id == tiles[2].id:
            raise AlreadyProcessed("A retraining has looked at it.")
        given.append((drawing_id, label))

    ticked = ticks.Ticks(drawings=tiles, number=5, place="here")
    ticks._label(ticked, store, 7)

    assert given == [(tiles[0].id, 7), (tiles[3].id, 7)]
    assert ticked.told == (
        "2 drawings stored as 7. 1 drawing not: a retraining has looked at the label, or it was deleted."
    )
    assert ticked.place is None  # the list is read again


def test_ticks_stay_when_the_database_goes_away_half_way(monkeypatch):
    tiles = [drawing() for _ in range(3)]
    monkeypatch.setattr("mnist.ui.ticks.value_of", {"ticks_0": [0, 1, 2]}.get)

    def store(drawing_id, label):
        if drawing_id == tiles[1].id:
            raise StorageUnavailable("The database can’t be reached.")

    ticked = ticks.Ticks(drawings=tiles, place="here")
    ticks._label(ticked, store, None)

    assert ticked.problem == "The database can’t be reached. 1 of 3 labels are stored; try again."
    assert ticked.place == "here"


def test_a_label_without_ticks_says_so(monkeypatch):
    monkeypatch.setattr("mnist.ui.ticks.value_of", lambda _: None)
    ticked = ticks.Ticks(drawings=[drawing()])

    ticks._label(ticked, lambda *_: pytest.fail("nothing is ticked"), 7)

    assert ticked.told == "Nothing is ticked."


def test_a_place_in_the_order_by_confidence_has_the_confidence_in_the_address():
    place = (0.3141592653589793, datetime(2026, 11, 20, 12, tzinfo=UTC), uuid.uuid4())
    text = f"{place[0]!r}~{place[1].isoformat()}~{place[2]}"

    assert history._place(text, Wanted(least_sure=True)) == place
    assert history._place(text.partition("~")[2], Wanted()) == place[1:]
    for wrong in (text, f"0.5~{text}", "~~", f"nan~{text.partition('~')[2]}"):
        assert history._place(wrong, Wanted()) is None
    assert history._place(f"nan~{text.partition('~')[2]}", Wanted(least_sure=True)) is None


def test_a_disputed_drawing_gets_the_label_that_it_deserves(monkeypatch, clock):
    given, desk, disputed = [], administration.Desk(), drawing(true_label=1)
    queue = SimpleNamespace(relabel=lambda *what: given.append(what))
    monkeypatch.setattr("mnist.services.administration", lambda: queue)

    for _ in range(2):  # the second tap of a double tap
        administration._relabel(desk, disputed, 4)

    assert given == [(disputed.id, 4)]
    assert desk.decided == "The drawing before is stored as 4."
