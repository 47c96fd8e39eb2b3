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
from playwright.sync_api import expect

from benchmarks.retrain import misread, pictures
from mnist.model.weights_file import SHIPPED_WEIGHTS, read_weights
from mnist.training.handwriting.strokes import held_out_styles
from tests.container.conftest import API_KEY, Server, docker, eventually
from tests.container.pictures import drawn
from tests.support.server import ROOT
from tests.support.strokes import DIGITS

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
    assert inside("command -v gcc cc c++ make git; find / -xdev -perm /6000 -path '/venv/*' 2>/dev/null") == ""
    assert server.inspect(container)["HostConfig"]["Memory"] == 1536 * 2**20


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

    assert time.monotonic() - started < 29  # 30 would be a kill
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


def test_what_a_retraining_promotes_is_served_by_the_application(server):
    """People correct what the shipped network misreads, in styles that it was not trained on."""
    before = server.predict(SEVEN)["model_version"]
    corrections = misread(read_weights(SHIPPED_WEIGHTS)[0], pictures(1, held_out_styles()), 120)
    for number, picture in enumerate(corrections):
        answer = httpx.post(
            f"{server.address}/api/feedback",
            headers={"X-API-Key": API_KEY, "X-Session-Id": f"person {number % 30}"},
            files={"file": ("drawing.png", picture.png, "image/png")},
            data={"label": str(picture.digit)},
            timeout=30,
        )
        assert answer.status_code == 201, answer.text
    give_mnist(server)

    said = server.compose("run", "--rm", "-T", "retrain", "python", "retrain.py", "--json")

    outcome = json.loads(said.strip().splitlines()[-1])
    assert outcome["outcome"] == "promoted", outcome
    assert outcome["version"] > before
    eventually(lambda: server.predict(SEVEN)["model_version"] == outcome["version"], seconds=10)
    read = [server.predict(picture.png)["digit"] == picture.digit for picture in corrections]
    assert sum(read) > len(read) / 5, f"{sum(read)} of {len(read)}: that is not what was promoted"
    waiting = "SELECT count(*) FROM predictions WHERE labelled_at IS NOT NULL AND NOT feedback_processed"
    assert server.query(waiting) == "0"


def give_mnist(server: Server) -> None:
    """Put MNIST into the volume, as docs/deployment.md says; where there is none, retrain.py downloads it."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in (Path(os.environ.get("MNIST_DIR", ROOT / "data")) / "MNIST" / "raw").glob("*.gz"):
            tar.add(path, f"MNIST/raw/{path.name}")
    server.compose("run", "--rm", "-T", "retrain", "tar", "-C", "/mnist", "-x", stdin=archive.getvalue())


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
