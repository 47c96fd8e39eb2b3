"""What is told apart from noise when benchmarks are compared, and how their tables are written."""

import json

import pytest

from benchmarks.compare import moved
from benchmarks.people import Answer, outcome
from benchmarks.results import Ratio, ratio, tables, write_document


def around(value, target=""):
    return Ratio(value, value * 0.95, value * 1.05, target)


@pytest.mark.parametrize(
    ("before", "now", "target", "verdict"),
    [
        (1.00, 1.04, "<= 1.15", None),  # the spreads meet
        (1.00, 1.50, "<= 1.15", "worse"),
        (1.50, 1.00, "<= 1.15", "better"),
        (1.00, 1.50, ">= 0.8", "better"),
        (1.50, 1.00, ">= 0.8", "worse"),
        (1.00, 1.50, "", "moved"),
    ],
)
def test_only_what_moved_by_more_than_its_noise_is_told(before, now, target, verdict):
    found = moved({"a": around(before, target)}, {"a": around(now, target)})

    assert found == ({"a": verdict} if verdict else {})


def test_what_was_measured_only_once_is_not_compared():
    assert moved({"gone": around(1)}, {"new": around(2)}) == {}


def test_a_ratio_has_the_spread_of_its_rounds_not_of_the_machine():
    found = ratio([10, 100, 20], [10, 100, 20])  # three rounds on a machine that was busy in one of them

    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_the_document_takes_the_new_table_and_keeps_its_words():
    results = {"x": {"machine": "m", "taken": "t", "figures": {}, "ratios": {"a / b": vars_of(around(2, "<= 1"))}}}
    document = "Before.\n<!-- x -->\nold\n<!-- end of x -->\nAfter.\n"

    written = write_document(document, tables(json.dumps(results)))

    assert "old" not in written
    assert "| a / b | 2 × | 1.9–2.1 | <= 1 | **missed** |" in written
    assert written.startswith("Before.\n")
    assert written.endswith("\nAfter.\n")
    assert write_document(written, tables(json.dumps(results))) == written


def vars_of(each):
    return {name: getattr(each, name) for name in ("value", "low", "high", "target")}


@pytest.mark.parametrize(
    ("text", "verdict", "label", "came"),
    [
        ("207", "sure", "207", "right"),
        ("27", "sure", "207", "wrong"),
        ("27", "unsure", "207", "unsure"),
        ("", "refused", "207", "refused"),
        ("", "refused", "not a digit", "right"),
        ("5", "sure", "not a digit", "wrong"),
        ("", "error", "not a digit", "error"),
    ],
)
def test_a_sure_answer_about_other_peoples_pictures_is_right_or_wrong(text, verdict, label, came):
    assert outcome(Answer(text, verdict), label) == came
