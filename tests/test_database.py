"""The schema in SQL and the schema in Python, on real servers."""

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError

from mnist.database import Base, connect, create_tables

ROOT = Path(__file__).resolve().parent.parent

COLUMNS = """
    SELECT table_name, ordinal_position, column_name, data_type, character_maximum_length, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"

A_MODEL = "INSERT INTO models VALUES (:version, NULL, '2026-11-20 12:00:00', :status, '', '{}')"


def schema(engine: Engine) -> list[list[Any]]:
    with engine.connect() as connection:
        return [[tuple(row) for row in connection.execute(text(query))] for query in (COLUMNS, CONSTRAINTS, INDEXES)]


def run_script(engine: Engine, path: Path) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(path.read_text())


def test_init_sql_makes_the_tables_that_python_makes(postgres_url):
    engine = create_engine(postgres_url)
    run_script(engine, ROOT / "init.sql")
    from_sql = schema(engine)
    Base.metadata.drop_all(engine)

    create_tables(engine)

    from_python = schema(engine)
    engine.dispose()
    assert from_sql[0], "no columns were found"
    for in_sql, in_python in zip(from_sql, from_python, strict=True):
        assert in_sql == in_python


def test_making_the_tables_again_changes_nothing(database_url):
    engine = connect(database_url)
    create_tables(engine)
    with engine.begin() as connection:
        connection.execute(text(A_MODEL), {"version": 1, "status": "active"})

    create_tables(engine)

    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM models")).scalar() == 1
    engine.dispose()


def test_processes_that_start_at_once_make_the_tables_once(database_url):
    failures, start = [], threading.Barrier(4)

    def make() -> None:
        engine = connect(database_url)
        start.wait()
        try:
            create_tables(engine)
        except Exception as error:
            failures.append(error)
        engine.dispose()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []


def test_the_database_itself_refuses_a_second_active_version(database_url):
    engine = connect(database_url)
    create_tables(engine)
    with engine.begin() as connection:
        for version, status in enumerate(["retired", "active", "retired", "rejected", "rejected"], 1):
            connection.execute(text(A_MODEL), {"version": version, "status": status})

    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text(A_MODEL), {"version": 6, "status": "active"})
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("UPDATE models SET status = 'active' WHERE version = 1"))

    engine.dispose()


def test_init_sql_can_run_beside_existing_tables(postgres_url):
    engine = create_engine(postgres_url)
    create_tables(engine)

    run_script(engine, ROOT / "init.sql")

    engine.dispose()
