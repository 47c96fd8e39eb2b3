"""Real application processes: killed while storing, and several of them with a new version on one database."""

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import URL, create_engine

from benchmarks.page_visitor import PageVisitor
from mnist.model.model_card import report_of
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.store.engine import connect
from mnist.store.model_registry import Registry
from tests.resilience.conftest import rows, wait_until
from tests.support.pictures import seven
from tests.support.server import NO_LIMITS, free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 90
SEVEN = np.array([[90, 60], [210, 60], [135, 240]], float)


class Application:
    """One process of it."""

    def __init__(self, url: URL, log: Path) -> None:
        self._start(log, {"DATABASE_URL": url.render_as_string(hide_password=False), "API_KEY": "", **NO_LIMITS})

    @classmethod
    def with_settings(cls, log: Path, **settings: str) -> "Application":
        self = cls.__new__(cls)
        self._start(log, settings)
        return self

    @classmethod
    @contextmanager
    def running(cls, log: Path, **settings: str) -> "Iterator[Application]":
        """One that answers, and ends with the block."""
        self = cls.with_settings(log, **settings)
        try:
            self.wait()
            yield self
        finally:
            self.process.kill()
            self.process.wait()

    def _start(self, log: Path, settings: dict[str, str]) -> None:
        self.port = free_port()
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "app:app", "--port", str(self.port), "--log-level", "warning"],
                cwd=ROOT,
                env={**os.environ, **settings, "MODEL_POLL_SECONDS": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> None:
        wait_until(self._is_ready, START_SECONDS)

    def wait_until_alive(self) -> None:
        wait_until(self._is_alive, START_SECONDS)

    def _is_alive(self) -> bool:
        with suppress(OSError):
            return self.get("/healthz").get("status") == "ok"
        return False

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with suppress(OSError):
            return self.get("/readyz").get("status") == "ready"
        return False

    def get(self, path: str) -> dict[str, object]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.loads(answer.read())


@contextmanager
def applications(url: URL, folder: Path, count: int) -> Iterator[list[Application]]:
    started = [Application(url, folder / f"log{number}") for number in range(count)]
    try:
        for each in started:
            each.wait()
        yield started
    finally:
        for each in started:
            each.process.kill()
            each.process.wait()


class Clients:
    """Programs that send drawings without a pause and note what they are told; a broken connection tells nothing."""

    def __init__(self, ports: list[int]) -> None:
        self.stored: list[uuid.UUID] = []
        self.not_stored: list[uuid.UUID] = []
        self.statuses: set[int] = set()
        self.versions: dict[int, int] = {}
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._draw, args=(port,)) for port in ports]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(30)

    def _draw(self, port: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while not self._stopped.is_set():
            try:
                link.request("POST", "/api/predict", seven(), {"Content-Type": "image/png"})
                answer = link.getresponse()
                body = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError):
                return
            self.statuses.add(answer.status)
            (self.stored if body["stored"] else self.not_stored).append(uuid.UUID(body["id"]))
            self.versions[port] = body["model_version"]


@pytest.mark.parametrize("database", ["sqlite_url", "postgres_url"])
def test_a_process_killed_while_it_stores_loses_nothing_that_it_told(request, tmp_path, database):
    url = request.getfixturevalue(database)
    with applications(url, tmp_path, 1) as [application], Clients([application.port] * 4) as clients:
        wait_until(lambda: len(clients.stored) >= 40)
        os.kill(application.process.pid, signal.SIGKILL)
        application.process.wait()

    engine = create_engine(url)
    assert set(clients.stored) <= rows(engine)
    engine.dispose()
    assert clients.not_stored == []
    if database == "sqlite_url":
        with sqlite3.connect(str(url.database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_whoever_draws_loads_no_pandas(sqlite_url, tmp_path):
    with applications(sqlite_url, tmp_path, 1) as [application], PageVisitor(application.port) as visitor:
        visitor.open()
        visitor.draw(SEVEN)

        loaded = Path(f"/proc/{application.process.pid}/maps").read_text()

    assert "/cv2/" in loaded
    assert "/pandas/" not in loaded
    assert "/pyarrow/" not in loaded


def test_two_processes_and_a_new_version_on_one_database(postgres_url, tmp_path):
    """With RESILIENCE_LONG=1 the version is one that retrain.py really makes, which takes minutes."""
    registry = Registry(connect(postgres_url))
    registry.seed(b"of an earlier release", {})  # no weights: both processes serve what they came with
    with applications(postgres_url, tmp_path, 2) as both:
        ports = [each.port for each in both]
        with Clients(ports * 2) as clients:
            wait_until(lambda: len(clients.stored) >= 20)
            active = registry.active_number()
            assert active is not None
            if os.environ.get("RESILIENCE_LONG"):
                label(both[0], clients.stored[:20])
                ran = run_command(postgres_url, "retrain.py", "--min-feedback", "5", "--json")
                assert ran.returncode in (0, 3), ran.stderr
            else:
                shipped = SHIPPED_WEIGHTS.read_bytes()
                registry.promote(shipped, report_of(SHIPPED_WEIGHTS), parent=active, replaces=active, marks=[])
                ran = run_command(postgres_url, "retrain.py", "--list", "--json")
                assert ran.returncode == 0, ran.stderr
            newest = registry.active_number()
            wait_until(lambda: clients.versions == dict.fromkeys(ports, newest), 15)

    assert clients.statuses == {200}
    assert clients.not_stored == []
    engine = create_engine(postgres_url)
    assert set(clients.stored) == rows(engine)
    engine.dispose()


def label(application: Application, drawings: list[uuid.UUID]) -> None:
    link = http.client.HTTPConnection("127.0.0.1", application.port, timeout=20)
    for drawing in drawings:
        body = json.dumps({"label": 7})
        link.request("POST", f"/api/predictions/{drawing}/feedback", body, {"Content-Type": "application/json"})
        assert link.getresponse().read() == b""


def run_command(url: URL, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": url.render_as_string(hide_password=False)}
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
