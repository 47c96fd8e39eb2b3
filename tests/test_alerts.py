"""The alert rules on a real Prometheus and on series that promtool makes up, and the way of an alert to its keeper."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from tests.support.prometheus import IN_COMPOSE, OURS, get, installed, running
from tests.support.server import ROOT, free_port

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
        pytest.param(
            "BackupIsOld", "mnist_newest_backup_timestamp_seconds", "-100000x20", {},
            "The newest backup of the database is 1d 3h 58m 40s old.", id="no backup"
        ),
        pytest.param(
            "DatabaseNearlyFull", "mnist_database_bytes", "943718400x20", {},
            "The database has 900MiB, nine tenths of DATABASE_MAX_MB; beyond it nothing new is kept.", id="full"
        ),
    ],
)  # fmt: skip
def test_an_alert_fires(tmp_path, alert, series, values, labels, summary):
    up = [] if "up{" in series else [{"series": 'up{job="mnist"}', "values": "1x60"}]
    if alert == "DatabaseNearlyFull":
        up.append({"series": "mnist_database_limit_bytes", "values": "1048576000x20"})
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


SCRIPT = ROOT / "deploy" / "alertmanager.sh"


@pytest.mark.timeout(90)
def test_an_alert_reaches_the_webhook(tmp_path):
    told: list[dict[str, object]] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

    with HTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = free_port()
        options = [f"--storage.path={tmp_path}", f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
        settings = {
            "ALERT_WEBHOOK": f"http://127.0.0.1:{server.server_port}/it's",
            "CONFIGURATION": str(tmp_path / "alertmanager.yml"),
            "GROUP_WAIT": "0s",
        }
        with (tmp_path / "log").open("w") as log:
            command = ["sh", SCRIPT, installed("prometheus-alertmanager"), *options]
            process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
        try:
            alert = {"labels": {"alertname": "ApplicationAway"}, "annotations": {"summary": "It does not answer."}}
            deadline = time.monotonic() + 60
            while not told:
                ended = process.poll() is not None or time.monotonic() > deadline
                assert not ended, (tmp_path / "log").read_text()
                with contextlib.suppress(httpx.TransportError):
                    httpx.post(f"http://127.0.0.1:{port}/api/v2/alerts", json=[alert])
                time.sleep(0.5)
        finally:
            process.terminate()
            process.wait(20)
            server.shutdown()

    [attachment] = told[0]["attachments"]
    assert attachment["title"] == "ApplicationAway (firing)"
    assert attachment["text"].strip() == "It does not answer."


def test_mail_is_configured_as_alertmanager_wants_it(tmp_path):
    file = tmp_path / "alertmanager.yml"
    settings = {"ALERT_MAIL": "me@example.org", "SMTP_HOST": "mail.example.org:587", "SMTP_PASSWORD": "it's: {x}"}
    subprocess.run(["sh", SCRIPT, "true"], check=True, env={**os.environ, **settings, "CONFIGURATION": str(file)})

    checked = subprocess.run([installed("amtool"), "check-config", file], capture_output=True, text=True)

    assert checked.returncode == 0, checked.stderr
    assert "auth_password: 'it''s: {x}'" in file.read_text()


def test_alerts_for_nobody_are_refused(tmp_path):
    done = subprocess.run(["sh", SCRIPT, "true"], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)

    assert done.returncode == 1
    assert "Set ALERT_WEBHOOK or ALERT_MAIL" in done.stderr
