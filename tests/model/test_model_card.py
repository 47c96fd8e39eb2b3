"""What is told about the network that answers."""

import json
from datetime import UTC, datetime

import pytest

from mnist.model.model_card import ModelCard, read_report


def test_the_report_beside_the_weights_tells_when_and_from_what(tmp_path):
    report = {"trained_at": "2026-11-20T23:12:00+00:00", "test_accuracy": 0.9962, "command": "python train.py --seed 1"}
    (tmp_path / "digits.json").write_text(json.dumps(report))

    card = read_report(tmp_path / "digits.json", 1)

    assert card.trained_at == datetime(2026, 11, 20, 23, 12, tzinfo=UTC)
    assert "python train.py --seed 1" in card.trained_from
    assert card.metrics["test_accuracy"] == 0.9962


@pytest.mark.parametrize(
    ("people", "told"), [("strokes of 30 writers, CC BY 4.0", True), ("nothing: trained …", False)]
)
def test_whoever_wrote_what_it_learned_from_is_named(tmp_path, people, told):
    report = {"trained_at": "2026-11-20T23:12:00+00:00", "learned_from": {"people": people}}
    (tmp_path / "digits.json").write_text(json.dumps(report))

    assert ("CC BY 4.0" in read_report(tmp_path / "digits.json", 1).trained_from) == told


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"trained_at": "yesterday"}', '{"trained_at": 7}'])
def test_without_a_report_the_version_is_still_known(tmp_path, content):
    if content is not None:
        (tmp_path / "digits.json").write_text(content)

    assert read_report(tmp_path / "digits.json", 4) == ModelCard(4)
