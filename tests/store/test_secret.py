"""The secret that a database makes for itself, and what is stored of a visitor's network."""

from dataclasses import replace

from sqlalchemy import URL, text

from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.secret import Secret
from tests.support.lessons import drawings, give


def test_every_process_finds_the_same_secret_and_another_database_has_another(engine, tmp_path):
    first, second = Secret(engine), Secret(engine)
    elsewhere = connect(URL.create("sqlite", database=str(tmp_path / "other.db")))

    assert len(first.key()) == 32
    assert first.key() == second.key() != Secret(elsewhere).key()
    elsewhere.dispose()


def test_who_comes_second_takes_the_secret_that_is_there(engine, monkeypatch):
    there = Secret(engine).key()
    late = Secret(engine)

    assert late._make() == there  # as if the row had come between looking for it and writing it


def test_a_drawing_keeps_a_digest_of_its_network_and_never_the_address(engine, repository):
    [given] = give(repository, drawings(1, 1, 0), [0], ["a visitor"])
    drawing = repository.find(given)
    rows = [replace(drawing, id=type(given)(int=n), network=network) for n, network in enumerate(NETWORKS)]
    repository.save(rows[0])
    repository.add_all(rows[1:])

    stored = [repository.find(row.id).network for row in rows]

    assert stored[0] == stored[1] != stored[2]
    assert stored[3] is None
    assert all(len(digest) == 16 and "198" not in digest for digest in stored[:3])
    with engine.connect() as connection:
        everything = str(connection.execute(text("SELECT session_id, network FROM predictions")).all())
    assert "198.51" not in everything


NETWORKS = ("198.51.100.0/24", "198.51.100.0/24", "2001:db8::/48", None)


def test_another_process_gives_a_network_the_same_digest(engine, repository):
    assert Repository(engine)._secret.digest("network", "x") == repository._secret.digest("network", "x")
