"""The model page's words and figures."""

import json
from datetime import UTC, datetime

import pytest

from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.store.model_registry import Version
from mnist.ui.charts import versions_chart
from mnist.ui.probabilities import as_percent
from mnist.ui.views.model import feedback, figures, table

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SHIPPED = Version(
    1, None, NOON, "retired", {"validation": {"mnist_validation": {"accuracy": 0.997}}, "test_accuracy": 0.9975}
)
PROMOTED = Version(
    2,
    1,
    NOON,
    "active",
    {
        "rows": 412,
        "corrections": 30,
        "people": 38,
        "set_aside": {"disputed": 20, "blank": 1},
        "after": {"mnist_validation": 0.9968, "user_drawn": 0.987},
    },
)
REJECTED = Version(
    3, 1, NOON, "rejected", {"rows": 9, "people": 1, "why": ["MNIST falls"], "after": {"mnist_validation": 0.9}}
)
NEWEST_FIRST = [REJECTED, PROMOTED, SHIPPED]


def test_the_report_beside_the_shipped_weights_has_the_figures():
    report = json.loads(SHIPPED_WEIGHTS.with_suffix(".json").read_text())

    [row] = figures([Version(1, None, NOON, "active", report)])

    assert row["share"] > 0.99
    assert report["test_accuracy"] >= 0.995


def test_every_version_says_what_came_of_it_and_why():
    rows = table(NEWEST_FIRST)

    assert [row["state"] for row in rows] == ["rejected", "active", "replaced"]
    assert [row["why"] for row in rows] == ["MNIST falls", "passed every test", "came with the application"]
    assert (rows[1]["labels"], rows[1]["people"], rows[1]["set aside"]) == (412, 38, 21)
    assert [row["corrections"] for row in rows] == [None, 30, None]  # older versions did not count them


def test_the_network_of_a_new_release_waits_for_the_next_retraining():
    release = Version(4, None, NOON, "retired", {})

    assert [row["state"] for row in table([release, PROMOTED, SHIPPED])] == [
        "waiting for the next retraining",
        "active",
        "replaced",
    ]


def test_what_became_of_the_feedback_is_told():
    assert feedback(SHIPPED) is None
    assert feedback(PROMOTED) == (
        "Of 433 labels it learned 412 (95 %), 30 of them corrections; 0 from people it never learns from were held out "
        "to test it; 21 were set aside: 1 blank, 20 disputed."
    )


def test_the_chart_shows_served_versions_only_oldest_first():
    rows = figures(NEWEST_FIRST)

    assert [(row["version"], row["what"], row["share"]) for row in rows] == [
        ("v1", "MNIST validation", 0.997),
        ("v2", "MNIST validation", 0.9968),
        ("v2", "people’s drawings", 0.987),
    ]
    assert versions_chart(rows).to_dict()["encoding"]["x"]["sort"] == ["v1", "v2"]


@pytest.mark.parametrize(("share", "text"), [(0.99754, "99.75 %"), (0.99998, "> 99.99 %"), (0.00001, "< 0.01 %")])
def test_a_percentage_can_be_finer(share, text):
    assert as_percent(share, digits=2) == text
