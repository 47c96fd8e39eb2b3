"""What labels tell about the network."""

import uuid
from datetime import UTC, date, datetime, timedelta

from mnist.store.history import Label
from mnist.ui import label_statistics
from mnist.ui.charts import accuracy_chart, confusion_chart, days_chart, reliability_chart
from mnist.ui.label_statistics import Cell, Share

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def label(truth, guess, *, confidence=0.9, version=1, days=0) -> Label:
    return Label(uuid.uuid4(), NOON - timedelta(days=days), version, guess, truth, confidence)


def test_the_confusion_has_a_field_for_what_is_no_digit_and_for_numbers():
    labels = [label("8", "3"), label("8", "3"), label("7", "7"), label(None, "1"), label("20", "20"), label("0", None)]

    assert label_statistics.confusion(labels) == [
        Cell("0", "no digit", 1),
        Cell("7", "7", 1),
        Cell("8", "3", 2),
        Cell("no digit", "1", 1),
        Cell("several", "several", 1),
    ]
    assert label_statistics.in_cell(labels, "8", "3") == labels[:2]


def test_a_wrong_number_is_wrong_though_it_lies_on_the_diagonal():
    assert label_statistics.share_right([label("20", "26"), label("20", "20")]) == Share(1, 2)


def test_accuracy_is_told_by_day_and_by_version():
    labels = [label("1", "1"), label("1", "7"), label("2", "2", days=1, version=2)]

    today, yesterday = date(2026, 11, 20), date(2026, 11, 19)
    assert label_statistics.accuracy_by_day(labels) == {(today, 1): Share(1, 2), (yesterday, 2): Share(1, 1)}
    assert label_statistics.accuracy_by_version(labels) == {1: Share(1, 2), 2: Share(1, 1)}


def test_reliability_compares_confidence_with_what_was_right():
    labels = [label("1", "1" if number < 9 else "7", confidence=0.92) for number in range(10)]
    labels += [label("1", "1", confidence=0.6), label(None, None, confidence=0.92)]  # too few, and no digit

    [(confidence, share)] = label_statistics.reliability(labels)

    assert round(confidence, 6) == 0.92
    assert share == Share(9, 10)


def test_the_hardest_are_the_surest_mistakes():
    labels = [label("1", "1", confidence=1.0), label("1", "7", confidence=0.5), label("4", "9", confidence=0.99)]

    assert label_statistics.hardest(labels) == [labels[2], labels[1]]


def test_the_charts_hold_what_they_are_given():
    days = days_chart({(date(2026, 11, 20), "api"): 3}).to_dict()
    accuracy = accuracy_chart({(date(2026, 11, 20), 2): Share(1, 2)}).to_dict()
    confusion = confusion_chart([Cell("8", "3", 2), Cell("3", "3", 5)], ink="#000").to_dict()
    reliability = reliability_chart([(0.9, Share(1, 4))]).to_dict()

    assert days["data"]["values"] == [{"day": "2026-11-20", "source": "api", "drawings": 3}]
    assert accuracy["data"]["values"] == [{"day": "2026-11-20", "version": "v2", "share": 0.5, "labels": 2}]
    fields = confusion["layer"][0]
    assert [(row["truth"], row["wrong"]) for row in confusion["data"]["values"]] == [("8", True), ("3", False)]
    assert fields["encoding"]["y"]["sort"] == ["3", "8"]
    assert reliability["layer"][1]["encoding"]["y"]["scale"]["domain"] == [0.25, 1]  # all points are on the chart
