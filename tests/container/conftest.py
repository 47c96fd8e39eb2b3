"""The repository's own compose file, built and started by a real Docker engine, as on a fresh server.

Not part of `make test`: it needs an engine and minutes. `make test-container` runs it.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import browser, camera_film, visit  # noqa: F401  (fixtures)
from tests.support.server import ROOT, free_port

FILES = "Dockerfile .dockerignore docker-compose.yml .env.example init.sql app.py retrain.py"
FILES += " requirements.txt requirements-mysql.txt"
FOLDERS = "mnist .streamlit deploy"
READY_SECONDS = 300
API_KEY = "a-key-of-the-tests"


def compose_command() -> list[str]:
    """COMPOSE="docker compose" chooses; else what the machine has, the classic one first."""
    if chosen := os.environ.get("COMPOSE"):
        return shlex.split(chosen)
    return ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]


@dataclass
class Server:
    """A folder with the repository's files and a .env, and what runs of it."""

    folder: Path
    project: str
    address: str
    scale: int = 1

    def compose(self, *arguments: str, stdin: bytes | None = None, check: bool = True) -> str:
        """docker-compose in the server's folder; its output."""
        command = [*compose_command(), "-p", self.project, *arguments]
        done = subprocess.run(command, cwd=self.folder, input=stdin, capture_output=True)
        if check and done.returncode:
            raise AssertionError(f"{shlex.join(command)} → {done.returncode}\n{(done.stdout + done.stderr).decode()}")
        return done.stdout.decode()

    @contextmanager
    def settings(self, **changed: str) -> Iterator[None]:
        """Other lines in .env until the block ends."""
        file = self.folder / ".env"
        kept = file.read_text()
        others = [line for line in kept.splitlines() if line.partition("=")[0] not in changed]
        file.write_text("\n".join([*others, *(f"{name}={value}" for name, value in changed.items())]) + "\n")
        try:
            yield
        finally:
            file.write_text(kept)

    def up(self) -> None:
        self.compose("up", "-d", "--scale", f"app={self.scale}")

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "-q", service).split()

    def inspect(self, container: str) -> dict[str, object]:
        [found] = json.loads(docker("inspect", container))
        return found

    def wait_until_ready(self) -> None:
        """Until every app is healthy, as its HEALTHCHECK on /readyz says."""

        def all_healthy() -> bool:
            apps = [self.inspect(container)["State"] for container in self.containers("app")]
            return len(apps) == self.scale and all(state["Health"]["Status"] == "healthy" for state in apps)  # type: ignore[index]

        try:
            eventually(all_healthy, seconds=READY_SECONDS)
        except AssertionError:
            raise AssertionError(self.compose("ps") + self.compose("logs", "--tail", "50")) from None

    def query(self, sql: str) -> str:
        return self.compose("exec", "-T", "db", "psql", "-U", "mnist", "-d", "mnist", "-Atc", sql).strip()

    def predict(self, picture: bytes, session: str = "a tester") -> dict[str, object]:
        answer = httpx.post(
            f"{self.address}/api/predict", content=picture, headers=headers(session, "image/png"), timeout=30
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


def headers(session: str, content_type: str) -> dict[str, str]:
    return {"X-API-Key": API_KEY, "X-Session-Id": session, "Content-Type": content_type}


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout


def eventually(holds: Callable[[], object], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.5)


def copy_repository(folder: Path) -> None:
    """What of this checkout a server needs."""
    for name in FILES.split():
        shutil.copy(ROOT / name, folder)
    for name in FOLDERS.split():
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`cp .env.example .env`, a password, and `docker-compose up -d --build`."""
    folder = tmp_path_factory.mktemp("server")
    copy_repository(folder)
    port = free_port()
    lines = (folder / ".env.example").read_text().splitlines()
    lines = ["DB_PASSWORD=0123456789abcdef" if line.startswith("DB_PASSWORD=") else line for line in lines]
    # TAG and SUBNET: beside whatever else runs on this machine.
    lines += [
        f"API_KEY={API_KEY}",
        f"PUBLISH=127.0.0.1:{port}",
        "TAG=container-test",
        "SUBNET=10.231.86",
        "SUBNET6=fd5b:2d31:a986",
    ]
    (folder / ".env").write_text("\n".join(lines) + "\n")
    server = Server(folder, "digits-test", f"http://127.0.0.1:{port}")
    try:
        if os.environ.get("BUILD") != "0":  # BUILD=0: what an earlier run has built
            server.compose("build")
        server.up()
        server.wait_until_ready()
        yield server
    finally:
        # With every profile, so that nothing of it stays.
        with server.settings(COMPOSE_PROFILES="https,backup,monitoring,alerts,retrain,retrain-schedule"):
            server.compose("down", "-v", "--remove-orphans")
