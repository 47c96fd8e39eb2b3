"""How large the database is, and what is refused when it may not grow, on SQLite, PostgreSQL and MariaDB."""

import logging

import pytest
from sqlalchemy import URL

from mnist.drawing import DatabaseFull
from mnist.store.administration import Administration
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.room import Room
from tests.store.test_drawings import drawing

SMALL = 1  # byte: any database has more


def test_without_a_limit_everything_is_stored_and_the_size_is_known(engine):
    room = Room(engine)
    Repository(engine, room).save(drawing())

    assert not room.is_full
    assert room.size > 10_000


def test_a_full_database_takes_nothing_new_and_still_takes_labels(engine):
    kept = drawing()
    Repository(engine).save(kept)
    full = Repository(engine, Room(engine, SMALL))

    for store in (
        lambda: full.save(drawing()),
        lambda: full.add_all([drawing()]),
        lambda: Administration(engine, Room(engine, SMALL)).add_new([drawing()]),
    ):
        with pytest.raises(DatabaseFull, match="DATABASE_MAX_MB"):
            store()

    full.correct(kept.id, 3)
    assert [each.true_label for each in full.recent(limit=9)] == [3]


def test_what_is_deleted_makes_room_in_sqlite(sqlite_url):
    engine = connect(sqlite_url)
    room = Room(engine, 2_000_000, ask_seconds=0)
    repository = Repository(engine, room)
    large = drawing(image=bytes(3_000_000), session_id="me")
    repository.save(large)
    assert room.is_full

    repository.delete("me")

    assert not room.is_full
    repository.save(drawing())
    engine.dispose()


def test_the_database_is_asked_now_and_then(sqlite_url):
    engine = connect(sqlite_url)
    Repository(engine).save(drawing())  # makes the tables
    patient, curious = Room(engine, ask_seconds=3600), Room(engine, ask_seconds=0)
    before = patient.size, curious.size
    Repository(engine).save(drawing(image=bytes(1_000_000)))

    assert patient.size == before[0]
    assert curious.size >= before[1] + 900_000
    engine.dispose()


def test_at_nine_tenths_the_keeper_is_told_once(sqlite_url, caplog):
    engine = connect(sqlite_url)
    size = Room(engine).size
    room = Room(engine, int(size / 0.95), ask_seconds=0)

    with caplog.at_level(logging.WARNING):
        assert [(room.is_nearly_full, room.is_full) for _ in range(3)] == [(True, False)] * 3

    assert [each.getMessage().count("DATABASE_MAX_MB") for each in caplog.records] == [1]
    engine.dispose()


def test_a_database_that_can_not_be_asked_is_not_called_full():
    away = Room(connect(URL.create("sqlite", database="/proc/nowhere/mnist.db")), SMALL)

    assert away.size is None
    assert not away.is_full
