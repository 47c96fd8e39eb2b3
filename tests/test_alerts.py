"""The alert rules on a real Prometheus, and on series that promtool makes up."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.prometheus import IN_COMPOSE, OURS, get, installed, running

ALERTS = OURS / "alerts.yml"


@pytest.mark.timeout(90)
def test_an_application_whose_address_vanishes_is_reported_away(tmp_path):
    """As in compose, where a stopped container leaves the DNS; a file is in its place, Prometheus its own target."""
    targets = tmp_path / "targets.json"
    found = f"    file_sd_configs:\n      - files: ['{targets}']\n        refresh_interval: 1s\n"
    configuration = (OURS / "prometheus.yml").read_text().replace(IN_COMPOSE, found).replace(": 15s", ": 1s")
    targets.write_text("[]")
    with running(tmp_path, configuration, ALERTS.read_text().replace("for: 2m", "for: 3s")) as prometheus:

        def state() -> tuple[list[str], list[str]]:
            up = [each["value"][1] for each in get(prometheus, "query", query='up{job="mnist"}')["result"]]
            alerts = get(prometheus, "alerts")["alerts"]
            return up, [each["annotations"]["summary"] for each in alerts if each["state"] == "firing"]

        def becomes(expected: tuple[list[str], list[str]]) -> None:
            deadline = time.monotonic() + 30
            while state() != expected:
                assert time.monotonic() < deadline, state()
                time.sleep(0.5)

        targets.write_text(json.dumps([{"targets": [prometheus.removeprefix("http://")]}]))
        becomes((["1"], []))
        targets.write_text("[]")
        becomes(([], ["The application does not answer."]))


@pytest.mark.parametrize(
    ("alert", "series", "values", "labels", "summary"),
    [
        pytest.param(
            "ApplicationAway", 'up{job="mnist",instance="a:8501"}', "1 0x20", {"job": "mnist", "instance": "a:8501"},
            "a:8501 does not answer.", id="does not answer"
        ),
        pytest.param(
            "ServerErrors", 'mnist_http_request_duration_seconds_count{status="500"}', "_x10 1x20", {},
            "The API answered with an internal error; the application's log has the traceback.", id="first error"
        ),
    ],
)  # fmt: skip
def test_an_alert_fires(tmp_path, alert, series, values, labels, summary):
    up = [] if "up{" in series else [{"series": 'up{job="mnist"}', "values": "1x60"}]
    expected = [{"exp_labels": labels, "exp_annotations": {"summary": summary}}]
    told = check(tmp_path, alert, [{"series": series, "values": values}, *up], expected)
    assert told.returncode == 0, told.stdout + told.stderr


def check(folder: Path, alert: str, series: list[object], expected: list[object]) -> subprocess.CompletedProcess[str]:
    """promtool: the alerts that fire 12 minutes after the first value of the series, one value a minute."""
    tests = [
        {
            "interval": "1m",
            "input_series": series,
            "alert_rule_test": [{"eval_time": "12m", "alertname": alert, "exp_alerts": expected}],
        }
    ]
    (folder / "test.yml").write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": tests}))  # JSON is YAML
    return subprocess.run([installed("promtool"), "test", "rules", folder / "test.yml"], capture_output=True, text=True)
