"""PostgreSQL goes away in every way it can; what people were told stays true."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg2
import pytest
from sqlalchemy import create_engine

from mnist.drawing import Origin, StorageUnavailable
from mnist.store import timeouts
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from tests.resilience.conftest import PostgresServer, Proxy, Visitors, filled, rows
from tests.store.test_drawings import drawing
from tests.support.pictures import seven


def refuse(server: PostgresServer, database: str) -> None:
    server.execute(
        f"ALTER DATABASE {database} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'",
    )


FAULTS: dict[str, tuple[Callable[[PostgresServer, str], None], Callable[[PostgresServer, str], None]]] = {
    "stopped": (lambda server, _: server.stop(), lambda server, _: server.start()),
    "killed": (lambda server, _: server.kill(), lambda server, _: server.start()),
    "frozen": (lambda server, _: server.freeze(), lambda server, _: server.thaw()),
    "refusing": (refuse, lambda server, name: server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")),
    "read-only": (
        lambda server, name: server.execute(
            f"ALTER DATABASE {name} SET default_transaction_read_only = on",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        ),
        lambda server, name: server.execute(
            f"ALTER DATABASE {name} RESET default_transaction_read_only",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        ),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_was_told_as_stored_is_stored_and_the_rest_was_told(server, postgres_url, recognising, monkeypatch, fault):
    monkeypatch.setattr(timeouts, "ANSWER_SECONDS", 1)
    monkeypatch.setattr(timeouts, "CONNECT_SECONDS", 1)
    recogniser = recognising(postgres_url)
    wound, heal = FAULTS[fault]

    with Visitors(recogniser) as visitors:
        visitors.wait_for(visitors.stored)
        wound(server, postgres_url.database)
        visitors.wait_for(visitors.not_stored)
        heal(server, postgres_url.database)
        visitors.wait_for(visitors.stored)

    assert visitors.errors == []
    engine = create_engine(postgres_url)
    assert set(visitors.stored) <= rows(engine)
    engine.dispose()


def test_a_restart_in_the_middle_loses_nothing_that_was_told(server, postgres_url, recognising):
    recogniser = recognising(postgres_url)

    with Visitors(recogniser) as visitors:
        for _ in range(2):
            visitors.wait_for(visitors.stored)
            server.restart()
        visitors.wait_for(visitors.stored)

    engine = create_engine(postgres_url)
    assert set(visitors.stored) <= rows(engine)
    engine.dispose()


def test_a_read_only_database_still_shows_the_history(server, postgres_url, recognising):
    recogniser = recognising(postgres_url)
    recogniser.recognise(seven(), Origin("api", "me"))
    FAULTS["read-only"][0](server, postgres_url.database)
    fresh = recognising(postgres_url)  # as after a restart of the application

    assert len(fresh.repository.recent(limit=10, session_id="me")) == 1
    with pytest.raises(StorageUnavailable):
        fresh.recognise_labelled(seven(), 7, Origin("api"))


def test_without_a_free_connection_it_is_told_soon_and_works_when_one_is_free(server, postgres_url, recognising):
    recogniser = recognising(postgres_url)
    others = []
    with suppress(psycopg2.OperationalError):  # "too many clients already"
        while len(others) < 40:
            others.append(psycopg2.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="postgres"))

    assert len(others) < 40
    started = time.monotonic()
    found = recogniser.recognise(seven(), Origin("api"))

    assert not found.is_stored
    assert time.monotonic() - started < 5
    for other in others:
        other.close()
    time.sleep(0.5)  # the server notices
    assert recogniser.recognise(seven(), Origin("api")).is_stored


def test_over_a_slow_line_drawings_are_stored_late_but_stored(server, postgres_url, recognising):
    proxy = Proxy(server.port)
    recogniser = recognising(postgres_url.set(port=proxy.port))
    recogniser.repository.check()
    proxy.delay = 0.15

    with Visitors(recogniser, count=8) as visitors:
        visitors.wait_for(visitors.stored, more=24)

    proxy.close()
    assert not visitors.not_stored
    engine = create_engine(postgres_url)
    assert set(visitors.stored) <= rows(engine)
    engine.dispose()


def test_a_server_that_says_nothing_is_given_up_in_time(server, postgres_url, recognising, monkeypatch):
    monkeypatch.setattr(timeouts, "ANSWER_SECONDS", 1)
    monkeypatch.setattr(timeouts, "CONNECT_SECONDS", 1)
    proxy = Proxy(server.port)
    recogniser = recognising(postgres_url.set(port=proxy.port))
    assert recogniser.recognise(seven(), Origin("api")).is_stored

    proxy.is_silent = True
    speaks_again = threading.Timer(8, setattr, (proxy, "is_silent", False))
    speaks_again.start()
    started = time.monotonic()
    assert not recogniser.recognise(seven(), Origin("api")).is_stored
    with pytest.raises(StorageUnavailable):
        recogniser.repository.check()
    assert time.monotonic() - started < 8

    speaks_again.cancel()
    proxy.is_silent = False
    assert recogniser.recognise(seven(), Origin("api")).is_stored
    proxy.close()


def test_work_that_may_take_long_is_waited_for(postgres_url, monkeypatch):
    monkeypatch.setattr(timeouts, "ANSWER_SECONDS", 0.3)
    connection = psycopg2.connect(host="127.0.0.1", port=postgres_url.port, user="postgres", dbname="postgres")

    with timeouts.patiently():
        connection.cursor().execute("SELECT pg_sleep(0.6)")
    with pytest.raises(psycopg2.OperationalError, match="in time"):
        connection.cursor().execute("SELECT pg_sleep(0.6)")

    assert connection.closed


def test_a_photo_may_take_long_on_a_slow_line(server, postgres_url, monkeypatch):
    monkeypatch.setattr(timeouts, "ANSWER_SECONDS", 0.5)
    proxy = Proxy(server.port)
    far = connect(postgres_url.set(port=proxy.port))
    photo = drawing(image=bytes(2**21))
    Repository(far).save(photo)
    proxy.delay = 0.03

    started = time.monotonic()
    found = Repository(far).find(photo.id)

    assert found == photo
    assert time.monotonic() - started > 1
    far.dispose()
    proxy.close()


def test_a_full_disk_is_told_and_nothing_told_before_is_lost(tmpfs, recognising, monkeypatch):
    monkeypatch.setattr(timeouts, "ANSWER_SECONDS", 2)
    server = PostgresServer(tmpfs)
    server.start(min_wal_size="2MB", max_wal_size="4MB", wal_recycle="off")
    url = server.url(server.new_database())
    recogniser = recognising(url)
    try:
        with Visitors(recogniser) as visitors:
            visitors.wait_for(visitors.stored)
            with filled(tmpfs):
                visitors.wait_for(visitors.not_stored)
            if not server.is_running:  # a full disk may end it; the operator has made room
                server.start()
            visitors.wait_for(visitors.stored)

        engine = create_engine(url)
        assert set(visitors.stored) <= rows(engine)
        engine.dispose()
    finally:
        server.kill()
