"""deploy/up.sh, update.sh and deploy.sh with a stand-in for Docker; tests/container uses a real engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.server import ROOT

STANDIN = ROOT / "tests" / "support" / "standin_docker.py"


@dataclass
class Machine:
    """A clone on the server, the repository that it comes from, and a stand-in for Docker."""

    folder: Path
    origin: Path
    clone: Path
    state: Path

    def release(self, app: str) -> str:
        """Commit an app.py; its commit."""
        (self.origin / "app.py").write_text(app + "\n")
        git(self.origin, "add", "--all")
        git(self.origin, "-c", "user.name=a tester", "-c", "user.email=tester@example.org", "commit", "-qm", app)
        return git(self.origin, "rev-parse", "HEAD")

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run([self.clone / "deploy" / script, *arguments])

    def deploy(self) -> subprocess.CompletedProcess[str]:
        """deploy.sh in the repository; the server is a folder of this machine."""
        return self._run([self.origin / "deploy" / "deploy.sh", "you@server"])

    def _run(self, command: list[object]) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "SSH": str(self.folder / "home" / "ssh"), "READY_SECONDS": "1"}
        return subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True)

    def world(self) -> dict[str, dict[str, dict[str, str]]]:
        return json.loads(self.state.read_text())

    def running(self) -> list[str]:
        """The app.py of each container of the application."""
        return [each["image"] for each in self.world()["containers"].values() if each["service"] == "app"]

    def log(self) -> list[list[str]]:
        return [line.split() for line in self.state.with_suffix(".log").read_text().splitlines()]

    def setting(self, *lines: str) -> None:
        (self.clone / ".env").write_text("\n".join(lines) + "\n")


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path, tmp_path / "origin", tmp_path / "clone", tmp_path / "state.json")
    (machine.origin / "deploy").mkdir(parents=True)
    for name in ("up.sh", "update.sh", "deploy.sh", "Caddyfile"):
        (machine.origin / "deploy" / name).write_bytes((ROOT / "deploy" / name).read_bytes())
        (machine.origin / "deploy" / name).chmod(0o755)
    (machine.origin / "deploy" / "backup.sh").write_text("#!/bin/sh\ntouch backed-up\n")
    (machine.origin / "deploy" / "backup.sh").chmod(0o755)
    for name in ("docker-compose.yml", ".env.example"):
        (machine.origin / name).write_bytes((ROOT / name).read_bytes())
    for file, text in {
        tmp_path / "bin" / "docker": f'#!/bin/sh\nexec {sys.executable} -S {STANDIN} {machine.state} "$@"\n',
        tmp_path / "home" / "ssh": '#!/bin/sh\nshift\ncd "$(dirname "$0")" && exec sh -c "$*"\n',
    }.items():
        file.parent.mkdir()
        file.write_text(text)
        file.chmod(0o755)
    machine.state.write_text(json.dumps({"images": {}, "containers": {}}))
    machine.state.with_suffix(".log").write_text("")
    git(machine.origin, "init", "-q")
    machine.release("first")
    git(tmp_path, "clone", "-q", str(machine.origin), str(machine.clone))
    return machine


def test_the_first_start_makes_a_random_password(machine):
    done = machine.run("up.sh")

    assert done.returncode == 0, done.stderr
    assert machine.running() == ["first"]
    settings = machine.clone / ".env"
    [password] = [line for line in settings.read_text().splitlines() if line.startswith("DB_PASSWORD=")]
    assert len(password) == len("DB_PASSWORD=") + 48
    assert settings.stat().st_mode & 0o777 == 0o600


def test_a_failed_build_is_a_failed_deployment_and_what_ran_is_put_back(machine):
    assert machine.deploy().returncode == 0
    home = machine.folder / "home" / "digits"
    good = (home / "current.tar").read_bytes()

    machine.release("no build")
    done = machine.deploy()

    assert done.returncode == 1, done.stdout
    assert "could not be built" in done.stderr
    assert "The earlier state is ready again" in done.stderr
    assert (home / "current.tar").read_bytes() == good
    assert (home / "app.py").read_text() == "first\n"
    assert machine.running() == ["first"]


def test_a_first_deployment_that_can_not_be_built_waits_for_nothing(machine):
    machine.release("no build")

    done = machine.deploy()

    assert done.returncode == 1
    assert "Ready" not in done.stdout
    assert machine.running() == []


def test_an_update_that_does_not_become_ready_is_taken_back(machine):
    machine.run("up.sh")
    before = git(machine.clone, "rev-parse", "HEAD")

    for broken in ("not ready", "no build"):
        machine.release(broken)
        done = machine.run("update.sh")

        assert done.returncode == 1, done.stdout
        assert "The earlier release is ready again" in done.stdout, done.stderr
        assert git(machine.clone, "rev-parse", "HEAD") == before
        assert machine.running() == ["first"]
    assert (machine.clone / "backed-up").exists()


def test_an_update_can_be_taken_back_and_made_again(machine):
    machine.run("up.sh")
    machine.release("second")

    assert machine.run("update.sh").returncode == 0
    assert machine.running() == ["second"]
    assert machine.run("update.sh", "--back").returncode == 0
    assert machine.running() == ["first"]
    assert machine.run("update.sh").returncode == 0
    assert machine.running() == ["second"]


def test_going_back_without_an_update_says_so(machine):
    machine.run("up.sh")

    done = machine.run("update.sh", "--back")

    assert (done.returncode, done.stderr) == (2, "No earlier update is known here.\n")


def test_behind_caddy_containers_are_replaced_one_after_another(machine):
    machine.setting("DB_PASSWORD=x", "COMPOSE_PROFILES=https", "REPLICAS=2")
    machine.run("up.sh")
    machine.release("second")
    before = len(machine.log())

    done = machine.run("update.sh")

    assert done.returncode == 0, done.stderr
    assert machine.running() == ["second", "second"]
    changes = machine.log()[before:]
    assert [what for what, _, _ in changes] == ["start", "stop", "remove"] * 2
    assert all(int(serving) >= 2 for _, _, serving in changes), changes


def test_behind_caddy_a_release_that_does_not_become_ready_is_noticed_by_nobody(machine):
    machine.setting("DB_PASSWORD=x", "COMPOSE_PROFILES=https", "REPLICAS=2")
    machine.run("up.sh")
    kept = machine.world()["containers"]
    machine.release("not ready")

    done = machine.run("update.sh")

    assert done.returncode == 1
    assert machine.world()["containers"] == kept


def test_containers_that_are_up_to_date_are_left_alone(machine):
    machine.setting("DB_PASSWORD=x", "COMPOSE_PROFILES=https", "REPLICAS=2")
    machine.run("up.sh")
    before = machine.log()

    assert machine.run("up.sh").returncode == 0
    assert machine.log() == before
    machine.setting("DB_PASSWORD=x", "COMPOSE_PROFILES=https", "REPLICAS=2", "API_KEY=new")
    assert machine.run("up.sh").returncode == 0
    assert [what for what, _, _ in machine.log()[len(before) :]] == ["start", "stop", "remove"] * 2
