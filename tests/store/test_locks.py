"""One retraining at a time, on SQLite, on a real PostgreSQL and on a real MariaDB."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection, create_engine, text

from mnist.drawing import StorageUnavailable
from mnist.store.engine import connect
from mnist.store.locks import AnotherRun, run_lock

ROOT = Path(__file__).resolve().parent.parent.parent
HOLD = """
import sys, time
from sqlalchemy import make_url
from mnist.store.engine import connect
from mnist.store.locks import run_lock
with run_lock(connect(make_url(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_turned_away_until_the_first_is_done(database_url):
    with run_lock(connect(database_url)), pytest.raises(AnotherRun), run_lock(connect(database_url)):
        pass
    with run_lock(connect(database_url)):
        pass


def test_the_lock_is_a_transactions_so_that_no_pooler_gives_its_connection_to_others(postgres_url):
    """PgBouncer in transaction mode takes a connection back as soon as no transaction is open on it."""
    holder = text(
        "SELECT state, backend_xmin FROM pg_stat_activity JOIN pg_locks USING (pid) "
        "WHERE locktype = 'advisory' AND datname = current_database()"
    )
    with run_lock(connect(postgres_url)), connect(postgres_url).connect() as other:
        [(state, holds_up)] = other.execute(holder)

    assert state == "idle in transaction"
    assert holds_up is None  # a vacuum goes on meanwhile


def test_a_run_that_fails_leaves_no_lock(database_url):
    with pytest.raises(ZeroDivisionError), run_lock(connect(database_url)):
        raise ZeroDivisionError
    with run_lock(connect(database_url)):
        pass


def test_the_lock_is_given_back_without_waiting_for_the_server_to_see_the_connection_end(database_url, monkeypatch):
    open_still = []
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "close", lambda connection: open_still.append(connection))
        with run_lock(connect(database_url)):
            pass

    with run_lock(connect(database_url)):
        pass
    for connection in open_still:
        connection.close()


def test_a_killed_run_leaves_no_lock(database_url):
    url = database_url.render_as_string(hide_password=False)
    with subprocess.Popen([sys.executable, "-c", HOLD, url], cwd=ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AnotherRun), run_lock(connect(database_url)):
            pass
        os.kill(holder.pid, signal.SIGKILL)
    for _ in range(100):  # the server needs a moment to see that the connection is gone
        try:
            with run_lock(connect(database_url)):
                return
        except AnotherRun:
            time.sleep(0.05)
    pytest.fail("the lock outlived its run")


def test_the_lock_file_stays_because_another_run_may_have_it_open_already(sqlite_url):
    lock = Path(f"{sqlite_url.database}.retrain.lock")
    with run_lock(connect(sqlite_url)):
        held = lock.stat().st_ino

    assert lock.stat().st_ino == held


def test_a_lock_file_that_root_has_left_stops_nobody_else(somebody_else):
    database = somebody_else / "mnist.db"
    lock = Path(f"{database}.retrain.lock")
    lock.touch()
    lock.chmod(0o444)
    url = URL.create("sqlite", database=str(database))

    with run_lock(connect(url)), pytest.raises(AnotherRun), run_lock(connect(url)):
        pass


def test_databases_do_not_lock_each_other(sqlite_url, tmp_path):
    other = URL.create("sqlite", database=str(tmp_path / "other.db"))
    with run_lock(connect(sqlite_url)), run_lock(connect(other)):
        pass


def test_databases_of_one_server_do_not_lock_each_other(database_url, mariadb_url):
    other = mariadb_url if database_url.database != mariadb_url.database else mariadb_url.set(database="mysql")
    with run_lock(connect(database_url)), run_lock(connect(other)):
        pass


def test_a_mariadb_that_ends_idle_connections_keeps_the_lock(mariadb_url):
    with create_engine(mariadb_url).connect() as admin:
        usual = admin.scalar(text("SELECT @@global.wait_timeout"))
        admin.execute(text("SET GLOBAL wait_timeout = 1"))
        try:
            with run_lock(connect(mariadb_url)):
                time.sleep(2.5)
                with pytest.raises(AnotherRun), run_lock(connect(mariadb_url)):
                    pass
        finally:
            admin.execute(text("SET GLOBAL wait_timeout = :usual"), {"usual": usual})


def test_a_database_that_is_away_is_no_other_run():
    nowhere = URL.create("postgresql+psycopg2", "someone", "secret", "127.0.0.1", 9, "mnist")
    with pytest.raises(StorageUnavailable), run_lock(connect(nowhere)):
        pass
