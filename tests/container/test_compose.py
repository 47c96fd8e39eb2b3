"""What docs/deployment.md promises, on real containers."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.server import ROOT
from tests.browser.strokes import DIGITS
from tests.container.conftest import Server, docker, eventually, headers
from tests.container.pictures import drawn

SEVEN = drawn(7, seed=0)


def count(server: Server) -> int:
    return int(server.query("SELECT count(*) FROM predictions"))


def test_a_drawing_in_a_browser_is_in_postgresql(server, visit):
    visitor = visit(server.address)
    visitor.draw(DIGITS[7][0])
    visitor.settle()
    expect(visitor.answer).to_have_text("7")

    visitor.labels.filter(has_text="1").click()
    expect(visitor.page.get_by_text("Thank you! Stored as 1.")).to_be_visible()

    newest = "SELECT source, predicted_digit, true_label FROM predictions ORDER BY created_at DESC LIMIT 1"
    assert server.query(newest) == "canvas|7|1"


def test_the_application_runs_with_no_rights(server):
    [container] = server.containers("app")

    def inside(command: str) -> str:
        return server.compose("exec", "-T", "app", "sh", "-c", command, check=False).strip()

    assert inside("id -u") == "10001"
    assert inside("touch /app/x /venv/x /x 2>&1").count("Read-only file system") == 3
    assert inside("grep -E '^(CapEff|NoNewPrivs)' /proc/1/status").split() == [
        "CapEff:", "0000000000000000", "NoNewPrivs:", "1"
    ]  # fmt: skip
    assert inside("cat /proc/1/cmdline").startswith("/venv/bin/python")
    assert inside("command -v gcc cc make pip3.12 git; find / -xdev -perm /6000 -path '/venv/*' 2>/dev/null") == ""
    assert server.inspect(container)["HostConfig"]["Memory"] == 2**30


def test_only_the_application_reaches_the_database(server):
    [database] = server.containers("db")
    found = server.inspect(database)

    assert not any((found["NetworkSettings"]["Ports"] or {}).values())
    assert list(found["NetworkSettings"]["Networks"]) == [f"{server.project}_back"]
    [network] = json.loads(docker("network", "inspect", f"{server.project}_back"))
    assert network["Internal"] is True
    assert found["HostConfig"]["ReadonlyRootfs"] is True


def test_a_killed_application_comes_back(server):
    before = count(server)
    [container] = server.containers("app")

    os.kill(server.inspect(container)["State"]["Pid"], signal.SIGKILL)

    eventually(lambda: server.inspect(container)["RestartCount"] >= 1, seconds=20)
    server.wait_until_ready()
    assert server.predict(SEVEN)["digit"] == 7
    assert count(server) == before + 1


def test_a_killed_database_comes_back_and_the_page_answers_meanwhile(server):
    before = count(server)
    [database] = server.containers("db")

    os.kill(server.inspect(database)["State"]["Pid"], signal.SIGKILL)
    assert httpx.get(server.address, timeout=30).status_code == 200

    eventually(lambda: httpx.get(f"{server.address}/readyz", timeout=30).status_code == 200, seconds=60)
    assert server.predict(SEVEN)["digit"] == 7
    assert count(server) == before + 1


def test_it_stops_when_it_is_told_to(server):
    [container] = server.containers("app")
    started = time.monotonic()

    server.compose("stop", "-t", "30", "app")

    assert time.monotonic() - started < 15
    assert server.inspect(container)["State"]["ExitCode"] == 0
    server.up()
    server.wait_until_ready()


def test_down_and_up_keep_everything(server):
    before = count(server)
    assert before > 0

    server.compose("down")
    server.up()
    server.wait_until_ready()

    assert count(server) == before


def test_a_backup_brings_everything_back(server):
    before = server.query("SELECT count(*), max(created_at) FROM predictions")
    dump = subprocess.run(
        ["docker", "exec", server.containers("db")[0], "pg_dump", "-U", "mnist", "-Fc", "mnist"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip

    server.compose("stop", "app")
    server.query("DROP TABLE predictions; DROP TABLE models")
    server.compose("exec", "-T", "db", "pg_restore", "-U", "mnist", "-d", "mnist", "--clean", "--if-exists", stdin=dump)
    server.up()
    server.wait_until_ready()

    assert server.query("SELECT count(*), max(created_at) FROM predictions") == before
    assert server.predict(SEVEN)["digit"] == 7


def test_the_application_serves_what_a_retraining_says(server):
    mnist = Path(os.environ.get("MNIST_DIR", ROOT / "data")) / "MNIST" / "raw"
    if not list(mnist.glob("*.gz")):
        pytest.skip(f"no MNIST in {mnist} to put into the volume; retrain.py would download it")
    before = server.predict(SEVEN)["model_version"]
    for person in range(12):
        for digit in range(10):
            answer = httpx.post(
                f"{server.address}/api/feedback",
                headers={name: value for name, value in headers(f"p{person}", "").items() if value},
                files={"file": ("drawing.png", drawn(digit, seed=person), "image/png")},
                data={"label": str(digit)},
                timeout=30,
            )
            assert answer.status_code == 201, answer.text
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in mnist.glob("*.gz"):
            tar.add(path, f"MNIST/raw/{path.name}")
    server.compose("run", "--rm", "-T", "retrain", "tar", "-C", "/mnist", "-x", stdin=archive.getvalue())

    said = server.compose("run", "--rm", "-T", "retrain", "python", "retrain.py", "--json", check=False)  # 3: rejected

    outcome = json.loads(said.strip().splitlines()[-1])
    assert outcome["rows"] > 0, outcome
    # Whether the gate lets the candidate through depends on the network that ships; both ways are recorded.
    assert outcome["outcome"] in ("promoted", "rejected"), outcome
    assert outcome["version"] > before
    serving = outcome["version"] if outcome["outcome"] == "promoted" else before
    eventually(lambda: server.predict(SEVEN)["model_version"] == serving, seconds=10)

    # The switch itself, as a promotion makes it.
    server.query(
        "BEGIN; UPDATE models SET status = 'retired' WHERE status = 'active';"
        f" UPDATE models SET status = 'active' WHERE version = {outcome['version']}; COMMIT"
    )
    eventually(lambda: server.predict(SEVEN)["model_version"] == outcome["version"], seconds=10)


def test_retraining_by_schedule_runs_and_stops_when_it_is_told_to(server):
    with server.settings(COMPOSE_PROFILES="retrain-schedule", RETRAIN_EVERY="1s", RETRAIN_MIN_FEEDBACK="1000000"):
        server.compose("up", "-d", "retrain-schedule")
        try:
            eventually(lambda: server.compose("logs", "retrain-schedule").count("nothing to do") >= 2, seconds=180)
            started = time.monotonic()
            server.compose("stop", "retrain-schedule")
            assert time.monotonic() - started < 8  # 10 would be a kill
        finally:
            server.compose("rm", "-sf", "retrain-schedule")


def test_prometheus_scrapes_the_application_and_is_not_public(server):
    with server.settings(COMPOSE_PROFILES="monitoring"):
        server.compose("up", "-d", "prometheus")
        try:

            def is_scraped() -> bool:
                try:
                    found = httpx.get("http://127.0.0.1:9090/api/v1/query", params={"query": 'up{job="mnist"}'})
                except httpx.TransportError:
                    return False
                return [each["value"][1] for each in found.json()["data"]["result"]] == ["1"]

            eventually(is_scraped, seconds=90)
            [container] = server.containers("prometheus")
            ports = server.inspect(container)["NetworkSettings"]["Ports"]
            assert ports == {"9090/tcp": [{"HostIp": "127.0.0.1", "HostPort": "9090"}]}
        finally:
            server.compose("rm", "-sf", "prometheus")
