"""The schema in SQL, in Python and in the migrations; and the way from every released schema to today's."""

import sqlite3
import subprocess
import sys
import threading
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import IntegrityError

from mnist.drawing import StorageUnavailable
from mnist.store import migrations
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.locks import lock_schema
from mnist.store.schema import REVISIONS, UnusableSchema, create_tables
from mnist.store.tables import Base

ROOT = Path(__file__).resolve().parent.parent.parent

COLUMNS = """
    SELECT table_name, ordinal_position, column_name, data_type, character_maximum_length, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"

A_MODEL = "INSERT INTO models VALUES (:version, NULL, '2026-11-20 12:00:00', :status, '', '{}')"


RELEASES = sorted({path.name.split(".")[0] for path in (ROOT / "tests" / "released").iterdir()})


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


def revision(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT version_num FROM alembic_version")))


def tables_of(engine: Engine) -> dict[str, Any]:
    """The schema as SQLAlchemy reads it, on any server."""
    found = inspect(engine)
    return {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)],
            found.get_pk_constraint(name)["constrained_columns"],
            sorted((check["name"], check["sqltext"]) for check in found.get_check_constraints(name)),
            sorted(
                (index["name"], index["column_names"], bool(index["unique"]), _condition(index))
                for index in found.get_indexes(name)
            ),
        )
        for name in sorted(found.get_table_names())
    }


def _condition(index: Any) -> list[str]:
    return [str(value) for name, value in index.get("dialect_options", {}).items() if name.endswith("_where")]


def make_released(url: URL, release: str) -> Engine:
    """A database as that release left it, with a drawing and a version in it."""
    engine = connect(url)
    script = (ROOT / "tests" / "released" / f"{release}.{url.get_backend_name()}.sql").read_text()
    if url.get_backend_name() == "sqlite":
        Path(url.database).parent.mkdir(exist_ok=True)
        with sqlite3.connect(url.database) as connection:
            connection.executescript(script)
    else:
        with engine.begin() as connection:
            connection.exec_driver_sql(script)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO models VALUES (1, NULL, '2026-11-20 12:00:00+00:00', 'active', :weights, '{}')"),
            {"weights": b"weights"},
        )
        connection.execute(
            text(
                "INSERT INTO predictions (id, created_at, source, image, predicted_digit, confidence, probabilities,"
                " verdict, model_version, true_label, labelled_at) VALUES (:id, '2026-11-20 12:00:00.000000+00:00',"
                " 'canvas', :image, 4, 0.5, '[0.1]', 'digit', 1, 9, '2026-11-20 12:01:00.000000+00:00')"
            ),
            {"id": OLD.hex, "image": b"png"},
        )
    return engine


OLD = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")


@pytest.mark.parametrize("release", RELEASES)
def test_a_database_of_every_release_is_brought_up_with_its_rows(transactional_url, tmp_path, release):
    engine = make_released(transactional_url, release)

    create_tables(engine)

    assert revision(engine) == [REVISIONS[-1]]
    drawing = Repository(engine).find(OLD)
    assert (drawing.image, drawing.predicted_digit, drawing.true_label) == (b"png", 4, 9)
    if transactional_url.get_backend_name() == "postgresql":
        upgraded = schema(engine)
        with engine.begin() as connection:
            connection.execute(text("DROP TABLE predictions, models, alembic_version"))
        create_tables(engine)
        assert upgraded == schema(engine)
    else:
        new = connect(URL.create("sqlite", database=str(tmp_path / "new.db")))
        create_tables(new)
        assert tables_of(engine) == tables_of(new)
        new.dispose()
    engine.dispose()


def test_a_stored_sure_number_gets_its_verdict_and_long_numbers_have_room(transactional_url):
    engine = make_released(transactional_url, "998c024")
    with engine.begin() as connection:
        connection.execute(text("UPDATE predictions SET verdict = 'not_a_digit', predicted_digit = NULL"))
        connection.execute(text("UPDATE predictions SET predicted_number = '2026'"))

    create_tables(engine)

    assert Repository(engine).find(OLD).verdict == "number"
    with engine.begin() as connection:
        connection.execute(text("UPDATE predictions SET predicted_number = :number"), {"number": "7" * 32})
    assert Repository(engine).find(OLD).predicted_number == "7" * 32
    engine.dispose()


def test_the_first_revision_is_the_first_release(postgres_url):
    engine = make_released(postgres_url, "998c024")
    released = tables_of(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE predictions, models"))
        command.upgrade(migrations.configuration(connection), migrations.FIRST)

    migrated = tables_of(engine)

    del migrated["alembic_version"]
    assert migrated == released
    engine.dispose()


def test_the_way_back_leads_to_the_first_release(transactional_url):
    engine = make_released(transactional_url, "998c024")
    released = tables_of(engine)
    create_tables(engine)

    with engine.begin() as connection:
        lock_schema(connection)
        command.downgrade(migrations.configuration(connection), migrations.FIRST)

    returned = tables_of(engine)
    del returned["alembic_version"]
    assert returned == released
    engine.dispose()


def test_the_migrations_end_in_the_schema_of_the_code(transactional_url):
    engine = make_released(transactional_url, "998c024")
    create_tables(engine)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_the_code_knows_every_revision():
    script = ScriptDirectory(str(ROOT / "mnist" / "store" / "migrations"))

    assert [each.revision for each in script.walk_revisions()] == list(reversed(REVISIONS))
    assert f"SELECT '{REVISIONS[-1]}' WHERE" in (ROOT / "init.sql").read_text()


def test_tables_that_got_the_wider_indexes_before_revisions_were_written_down(database_url):
    engine = connect(database_url)
    create_tables(engine)
    made = tables_of(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))

    create_tables(engine)

    assert (revision(engine), tables_of(engine)) == ([REVISIONS[-1]], made)
    engine.dispose()


def test_init_sql_beside_an_older_schema_leaves_the_upgrade_to_the_application(postgres_url):
    engine = make_released(postgres_url, "998c024")
    run_script(engine, ROOT / "init.sql")
    assert revision(engine) == []

    create_tables(engine)

    [by_time] = [row for row in schema(engine)[2] if row[1] == "predictions_by_time"]
    assert "labelled_at" in by_time[2]
    assert revision(engine) == [REVISIONS[-1]]
    engine.dispose()


def create_tables_at_once(url: URL, processes: int) -> None:
    """Every process is up and connected before the first may go on."""
    program = (
        "import sys, mnist.store.migrations\nfrom sqlalchemy import make_url\n"
        "from mnist.store.engine import connect; from mnist.store.schema import create_tables\n"
        "engine = connect(make_url(sys.argv[1])); engine.connect().close()\n"
        "print('ready', flush=True); sys.stdin.read(); create_tables(engine)"
    )
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", program, url.render_as_string(hide_password=False)],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(processes)
        ]
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()
        for process in started:
            assert process.stdin is not None
            process.stdin.close()
        said = [process.stderr.read() for process in started if process.stderr is not None]
        assert [process.wait() for process in started] == [0] * processes, said


def test_processes_that_start_at_once_upgrade_once(transactional_url):
    engine = make_released(transactional_url, "998c024")

    create_tables_at_once(transactional_url, 4)

    assert revision(engine) == [REVISIONS[-1]]
    assert Repository(engine).find(OLD).true_label == 9
    engine.dispose()


def test_a_new_sqlite_into_which_another_process_is_about_to_write_is_waited_for(sqlite_url):
    file = Path(sqlite_url.database)
    file.parent.mkdir()
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE somebody (id)")
    other.execute("BEGIN IMMEDIATE")
    ends = threading.Timer(0.3, other.commit)
    ends.start()

    create_tables(connect(sqlite_url))

    ends.join()
    other.close()
    assert sqlite3.connect(file).execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_processes_that_start_at_once_fill_an_empty_database_once(database_url):
    engine = connect(database_url)
    if database_url.get_backend_name() == "sqlite":
        Path(database_url.database).parent.mkdir()

    create_tables_at_once(database_url, 4)

    assert revision(engine) == [REVISIONS[-1]]
    engine.dispose()


def test_a_failed_upgrade_changes_nothing(transactional_url):
    engine = make_released(transactional_url, "998c024")
    before = tables_of(engine)
    statements: list[str] = []

    def fail_late(_connection, _cursor, statement, *_more):
        statements.append(statement)
        if "predictions_to_review" in statement and statement.startswith("CREATE"):
            raise OSError("disk full")

    event.listen(engine, "before_cursor_execute", fail_late)
    with pytest.raises(OSError, match="disk full"):
        create_tables(engine)
    event.remove(engine, "before_cursor_execute", fail_late)

    assert any(statement.startswith("DROP INDEX") or "\nDROP INDEX" in statement for statement in statements)
    assert tables_of(engine) == before
    create_tables(engine)
    assert revision(engine) == [REVISIONS[-1]]
    engine.dispose()


def test_a_database_of_a_later_release_is_refused_in_words(database_url):
    engine = connect(database_url)
    create_tables(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(UnusableSchema, match=r"later release .*9999"):
        create_tables(engine)
    with pytest.raises(StorageUnavailable, match="later release"):
        Repository(engine).check()

    assert revision(engine) == ["9999"]
    engine.dispose()


def test_somebody_elses_table_is_left_alone(database_url):
    engine = connect(database_url)
    Path(database_url.database).parent.mkdir(exist_ok=True) if database_url.get_backend_name() == "sqlite" else None
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE predictions (id INTEGER, weather TEXT)"))

    with pytest.raises(StorageUnavailable, match="did not make"):
        Repository(engine).check()

    assert inspect(engine).get_table_names() == ["predictions"]
    engine.dispose()


def test_when_all_is_there_starting_only_reads_and_loads_no_alembic(database_url):
    engine = connect(database_url)
    create_tables(engine)
    url = database_url.render_as_string(hide_password=False)
    program = (
        "import sys; from sqlalchemy import event, make_url;"
        "from mnist.store.engine import connect; from mnist.store.schema import create_tables;"
        "engine = connect(make_url(sys.argv[1])); said = [];"
        "event.listen(engine, 'before_cursor_execute', lambda *a: said.append(a[2]));"
        "create_tables(engine); print(*said, sep='\\n'); sys.exit('alembic' in sys.modules)"
    )

    ran = subprocess.run([sys.executable, "-c", program, url], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "alembic_version" in ran.stdout
    for forbidden in ("CREATE", "INSERT", "LOCK", "IMMEDIATE", "pg_advisory"):
        assert forbidden not in ran.stdout
    engine.dispose()


def test_a_table_that_was_lost_comes_back(database_url):
    engine = connect(database_url)
    create_tables(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE models"))

    create_tables(engine)

    assert set(inspect(engine).get_table_names()) == {"alembic_version", "models", "predictions", "secrets"}
    engine.dispose()


def test_a_database_that_was_replaced_by_a_new_and_empty_one_gets_its_tables(sqlite_url):
    engine = connect(sqlite_url)
    repository = Repository(engine)
    assert repository.recent(limit=1) == []
    Base.metadata.drop_all(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))

    with pytest.raises(StorageUnavailable):
        repository.recent(limit=1)

    assert repository.recent(limit=1) == []
    engine.dispose()
