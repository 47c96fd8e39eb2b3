"""deploy/deploy.sh: a checkout arrives on a server and runs there; one that does not start is taken back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.container.conftest import Server, copy_repository
from tests.container.pictures import drawn
from tests.support.server import ROOT, free_port

# In the place of ssh: the server is this machine, in a home folder of its own.
SSH = '#!/bin/sh\nshift\ncd "$(dirname "$0")" && exec sh -c "$*"\n'


@dataclass
class Laptop:
    """A git checkout, and the server that it is deployed to."""

    checkout: Path
    server: Server

    def commit(self) -> None:
        author = ["-c", "user.name=a tester", "-c", "user.email=tester@example.org"]
        for command in (["init", "-q"], ["add", "--all"], [*author, "commit", "-qm", "a change"]):
            subprocess.run(["git", *command], cwd=self.checkout, check=True)

    def deploy(self, ready_seconds: int) -> subprocess.CompletedProcess[str]:
        home, name = self.server.folder.parent, self.server.folder.name
        return subprocess.run(
            [self.checkout / "deploy" / "deploy.sh", "you@server", name],
            env={**os.environ, "SSH": str(home / "ssh"), "READY_SECONDS": str(ready_seconds)},
            capture_output=True, text=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """A commit that was deployed to a bare server."""
    checkout, home = tmp_path_factory.mktemp("laptop"), tmp_path_factory.mktemp("home")
    (home / "ssh").write_text(SSH)
    (home / "ssh").chmod(0o755)
    copy_repository(checkout)
    port = free_port()
    with (checkout / ".env.example").open("a") as example:  # beside whatever else runs on this machine
        example.write(f"PUBLISH=127.0.0.1:{port}\nTAG=deploy-test\nSUBNET=10.231.87\nSUBNET6=fd5b:2d31:a987\n")
    laptop = Laptop(checkout, Server(home / "digits-deploy-test", "digits-deploy-test", f"http://127.0.0.1:{port}"))
    laptop.commit()
    try:
        done = laptop.deploy(ready_seconds=300)
        assert done.returncode == 0, done.stdout + done.stderr
        yield laptop
    finally:
        if (laptop.server.folder / ".env").exists():
            laptop.server.compose("down", "-v", "--remove-orphans")


def test_the_first_deployment_starts_with_a_random_password(laptop):
    settings = laptop.server.folder / ".env"
    [password] = [line for line in settings.read_text().splitlines() if line.startswith("DB_PASSWORD=")]

    assert len(password) == len("DB_PASSWORD=") + 48
    assert settings.stat().st_mode & 0o777 == 0o600
    assert laptop.server.predict(drawn(7, 0))["digit"] == 7


def test_a_release_that_does_not_start_is_taken_back(laptop):
    server = laptop.server
    server.predict(drawn(7, 1))
    before = server.query("SELECT count(*), max(created_at) FROM predictions")
    settings = (server.folder / ".env").read_text()
    [image] = [server.inspect(container)["Image"] for container in server.containers("app")]

    (laptop.checkout / "app.py").write_text("import no_such_module\n")  # no st.App: Streamlit serves it as a bare page
    (laptop.checkout / "mnist" / "new.py").write_text("")
    laptop.commit()
    done = laptop.deploy(ready_seconds=60)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "Not ready. The application's last words" in done.stderr
    assert "The earlier state is ready again" in done.stderr
    assert [server.inspect(container)["Image"] for container in server.containers("app")] == [image]
    assert (server.folder / "app.py").read_text() == (ROOT / "app.py").read_text()
    assert not (server.folder / "mnist" / "new.py").exists()
    assert (server.folder / ".env").read_text() == settings
    assert server.query("SELECT count(*), max(created_at) FROM predictions") == before
    assert server.predict(drawn(7, 2))["digit"] == 7
