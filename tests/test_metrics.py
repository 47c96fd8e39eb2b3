"""What is counted, and that counting never gets in the way."""

import math
import os
from datetime import UTC, datetime

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mnist import metrics as module
from mnist.drawing import Accuracy, Verdict
from mnist.metrics import Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_a_prediction_is_counted_under_its_digit_verdict_source_and_version():
    metrics = Metrics()

    metrics.count_prediction(digit=7, verdict="unsure", source="camera", version=2, confidence=0.6)
    metrics.count_prediction(digit=None, verdict="not_a_digit", source="api", version=2, confidence=0.2)
    metrics.count_prediction(digit=None, verdict=Verdict.BLANK, source="api", version=2, confidence=None)

    def count(**labels):
        return value(metrics, "mnist_predictions_total", model_version="2", **labels)

    assert count(digit="7", verdict="unsure", source="camera") == 1
    assert count(digit="none", verdict="not_a_digit", source="api") == 1
    assert count(digit="none", verdict="blank", source="api") == 1
    assert value(metrics, "mnist_prediction_confidence_ratio_count", source="api") == 1


def test_the_active_version_has_an_age():
    metrics = Metrics()

    metrics.show_model(4, datetime(2026, 11, 20, tzinfo=UTC))

    assert value(metrics, "mnist_active_model_version") == 4
    trained = value(metrics, "mnist_active_model_trained_timestamp_seconds")
    assert trained == datetime(2026, 11, 20, tzinfo=UTC).timestamp()


def test_accuracy_is_a_share_of_the_labels_of_each_version():
    metrics = Metrics()
    metrics.show_accuracy(lambda: [Accuracy(1, 10, 9), Accuracy(2, 4, 4)])

    assert value(metrics, "mnist_labelled_accuracy_ratio", model_version="1") == 0.9
    assert value(metrics, "mnist_labelled_drawings", model_version="2") == 4


def test_the_database_is_not_asked_for_every_scrape():
    asked = []
    metrics = Metrics()
    metrics.show_accuracy(lambda: asked.append(1) or [])

    for _ in range(5):
        generate_latest(metrics.registry)

    assert len(asked) == 1


def test_without_a_database_all_other_metrics_are_still_there(monkeypatch):
    def away():
        raise RuntimeError("the database is away")

    monkeypatch.setattr(module, "ACCURACY_SECONDS", 0)
    metrics = Metrics()
    metrics.show_accuracy(away)

    text = generate_latest(metrics.registry).decode()

    assert "mnist_labelled_accuracy_ratio{" not in text
    assert 'mnist_feedback_total{outcome="right"} 0.0' in text
    assert value(metrics, "mnist_database_errors_total", operation="read") >= 1


def test_names_follow_the_conventions_of_prometheus():
    metrics = Metrics()
    metrics.show_accuracy(list)

    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        if family.name.startswith("mnist"):
            assert family.documentation
            assert family.type in ("counter", "gauge", "histogram")
            if family.type == "histogram":
                assert family.name.endswith(("_seconds", "_ratio"))
            assert not family.name.endswith(("_ms", "_count", "_percent"))


def test_a_series_is_started_at_zero_where_its_labels_are_known():
    text = generate_latest(Metrics().registry).decode()

    for line in (
        'mnist_feedback_total{outcome="wrong"} 0.0',
        'mnist_stage_duration_seconds_count{stage="store"} 0.0',
        'mnist_database_errors_total{operation="correct"} 0.0',
    ):
        assert line in text


def test_the_share_of_ink_and_the_size_of_writing_are_kept_apart():
    metrics = Metrics()

    metrics.observe_ink(source="api", ink_share=0.25, box_share=0.75)

    assert value(metrics, "mnist_drawing_ink_ratio_sum", source="api") == 0.25
    assert value(metrics, "mnist_drawing_box_ratio_sum", source="api") == 0.75


def test_latency_is_interpolated_within_its_bucket_and_never_beyond_the_last(monkeypatch):
    metrics, now = Metrics(), [0.0]
    monkeypatch.setattr("prometheus_client.context_managers.default_timer", lambda: now[0])

    def recognise(seconds: float, source: str) -> None:
        with metrics.time_recognition(source):
            now[0] += seconds

    assert metrics.latency(0.5) is None
    for _ in range(3):
        recognise(1.5, "api")
    assert metrics.latency(0.5) == pytest.approx(1.5)  # half way from 1 to 2
    recognise(100, "canvas")
    assert metrics.latency(0.75) == pytest.approx(2)
    assert metrics.latency(0.99) == 10  # as histogram_quantile() has it: the last bucket has no end


def test_the_newest_backup_is_as_old_as_its_mark(tmp_path):
    metrics, mark = Metrics(), tmp_path / "at"
    metrics.show_backups(mark)
    assert math.isnan(metrics.registry.get_sample_value("mnist_newest_backup_timestamp_seconds"))

    mark.touch()
    os.utime(mark, (1_790_000_000, 1_790_000_000))

    assert metrics.registry.get_sample_value("mnist_newest_backup_timestamp_seconds") == 1_790_000_000
