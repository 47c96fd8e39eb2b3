"""A database file that is locked, lost, damaged, or on a full or read-only disk."""

import os
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine

from mnist.drawing import Origin, StorageUnavailable
from tests.resilience.conftest import Visitors, filled, rows
from tests.support.pictures import seven


@pytest.fixture
def url(tmp_path: Path) -> URL:
    return URL.create("sqlite", database=str(tmp_path / "data" / "mnist.db"))


def file_of(url: URL) -> Path:
    return Path(str(url.database))


def stored_in(url: URL) -> set[object]:
    engine = create_engine(url)
    found = rows(engine)
    engine.dispose()
    return set(found)


def test_while_another_program_writes_it_is_told_in_time_and_reading_goes_on(url, recognising, monkeypatch):
    monkeypatch.setattr("mnist.store.engine.BUSY_SECONDS", 1)
    recogniser = recognising(url)
    first = recogniser.recognise(seven(), Origin("api", "me"))
    other = sqlite3.connect(str(url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    started = time.monotonic()
    found = recogniser.recognise(seven(), Origin("api", "me"))

    assert not found.is_stored
    assert time.monotonic() - started < 4
    assert [each.id for each in recogniser.repository.recent(limit=9, session_id="me")] == [first.drawing.id]
    other.execute("ROLLBACK")
    other.close()
    assert recogniser.recognise(seven(), Origin("api")).is_stored


def test_another_writer_who_is_quick_is_waited_for(url, recognising):
    recogniser = recognising(url)
    with Visitors(recogniser) as visitors:
        visitors.wait_for(visitors.stored)
        other = sqlite3.connect(str(url.database), isolation_level=None)
        for _ in range(10):
            other.execute("BEGIN IMMEDIATE")
            time.sleep(0.05)
            other.execute("COMMIT")
        other.close()

    assert visitors.not_stored == []
    assert set(visitors.stored) == stored_in(url)


@pytest.mark.parametrize("damage", ["header", "whole", "cut"])
def test_a_damaged_file_is_told_and_left_for_rescue(url, recognising, damage):
    recogniser = recognising(url)
    for _ in range(20):
        recogniser.recognise(seven(), Origin("api"))
    path = file_of(url)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        if damage == "cut":
            file.truncate(size // 2 + 100)
        else:
            file.write(os.urandom(100 if damage == "header" else size))
    left = path.read_bytes()

    fresh = recognising(url)  # as after a restart
    assert not fresh.recognise(seven(), Origin("api")).is_stored
    if damage != "cut":  # what is asked for then may lie in the pages that are left
        with pytest.raises(StorageUnavailable):
            fresh.repository.check()
    with pytest.raises(StorageUnavailable):
        fresh.recognise_labelled(seven(), 7, Origin("api"))

    assert path.read_bytes() == left


def test_a_restored_backup_is_used_without_a_restart(url, recognising, tmp_path):
    recogniser = recognising(url)
    with Visitors(recogniser) as visitors:
        visitors.wait_for(visitors.stored)
        backup = tmp_path / "backup.db"
        with sqlite3.connect(str(url.database)) as source, sqlite3.connect(backup) as target:
            source.backup(target)
        for part in file_of(url).parent.iterdir():
            part.unlink()
        shutil.move(backup, file_of(url))
        time.sleep(0.5)
        since = len(visitors.stored)
        visitors.wait_for(visitors.stored)

    assert set(visitors.stored[since:]) <= stored_in(url)


def test_a_folder_that_vanishes_is_made_anew_and_nothing_is_written_into_the_void(url, recognising):
    recogniser = recognising(url)
    with Visitors(recogniser, count=1) as visitors:
        visitors.wait_for(visitors.stored)
        shutil.rmtree(file_of(url).parent)
        time.sleep(0.5)
        since = len(visitors.stored)
        visitors.wait_for(visitors.stored)

    assert visitors.errors == []
    assert set(visitors.stored[since:]) <= stored_in(url)


def test_a_full_disk_is_told_and_nothing_told_before_is_lost(tmpfs, recognising):
    url = URL.create("sqlite", database=str(tmpfs / "data" / "mnist.db"))
    recogniser = recognising(url)

    with Visitors(recogniser) as visitors:
        visitors.wait_for(visitors.stored)
        with filled(tmpfs):
            visitors.wait_for(visitors.not_stored)
        visitors.wait_for(visitors.stored)

    assert visitors.errors == []
    assert set(visitors.stored) == stored_in(url)


def test_a_read_only_disk_is_told_and_works_again_when_it_is_not(tmpfs, recognising):
    url = URL.create("sqlite", database=str(tmpfs / "data" / "mnist.db"))
    recogniser = recognising(url)
    first = recogniser.recognise(seven(), Origin("api", "me"))
    subprocess.run(["mount", "-o", "remount,ro", str(tmpfs)], check=False)  # refused while a file is open for writing
    for engine in [recogniser._repository._engine]:
        engine.dispose()
    subprocess.run(["mount", "-o", "remount,ro", str(tmpfs)], check=True)

    assert not recogniser.recognise(seven(), Origin("api", "me")).is_stored
    with pytest.raises(StorageUnavailable):
        recogniser.correct_by_id(first.drawing.id, 7)

    subprocess.run(["mount", "-o", "remount,rw", str(tmpfs)], check=True)
    assert recogniser.recognise(seven(), Origin("api", "me")).is_stored
