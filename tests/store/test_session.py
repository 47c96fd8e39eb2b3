"""What is told of a database that can't be used: little to whoever asked, the reason to whoever keeps the server."""

import pytest
from sqlalchemy import URL, text

from mnist.drawing import StorageUnavailable
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.locks import run_lock
from mnist.store.model_registry import Registry
from mnist.upgrade import main as upgrade

NOWHERE = URL.create("postgresql+psycopg2", "someone", "secret", "127.0.0.1", 9, "mnist")


def reasons(caplog) -> list[str]:
    return [record.message for record in caplog.records if record.name == "mnist.store.outages"]


def test_the_log_gets_the_drivers_words_once_for_all_parts_of_the_application(caplog):
    engine = connect(NOWHERE)

    for ask in (Repository(engine).check, Repository(engine).check, Registry(engine).active):
        with pytest.raises(StorageUnavailable) as told:
            ask()
        assert str(told.value) == "The database can't be used now (OperationalError)."
    with pytest.raises(StorageUnavailable), run_lock(engine):
        pass

    [reason] = reasons(caplog)
    assert "Connection refused" in reason
    assert "secret" not in reason


def test_the_next_outage_is_told_too(caplog, sqlite_url):
    repository = Repository(connect(sqlite_url))

    for _ in range(2):
        with pytest.raises(StorageUnavailable), repository._session() as session:
            session.execute(text("SELECT 1 FROM no_such_table"))
        repository.check()

    assert reasons(caplog) == ["The database can't be used: no such table: no_such_table"] * 2


@pytest.mark.parametrize("ask", ["lock", "upgrade"])
def test_what_is_no_part_of_the_application_gives_the_reason_as_well(ask, caplog, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", NOWHERE.render_as_string(hide_password=False))
    if ask == "upgrade":
        assert upgrade([]) == 1
    else:
        with pytest.raises(StorageUnavailable), run_lock(connect(NOWHERE)):
            pass

    [reason] = reasons(caplog)
    assert "Connection refused" in reason


def test_neither_the_statement_nor_what_it_holds_is_logged(caplog, repository):
    with pytest.raises(StorageUnavailable), repository._session() as session:
        session.execute(text("SELECT :drawing FROM no_such_table"), {"drawing": "private"})

    [reason] = reasons(caplog)
    assert "no_such_table" in reason
    assert "private" not in reason
    assert "SELECT" not in reason
