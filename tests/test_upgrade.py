"""A database of the common digit applications becomes ours, with its feedback, and nothing of it is lost."""

import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import URL, Engine, inspect, text

from mnist import upgrade as command
from mnist.drawing import StorageUnavailable
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.labels import Labels
from mnist.store.schema import REVISIONS, UnusableSchema
from mnist.upgrade import OLD, upgrade
from mnist.vision.image_files import decode

ROOT = Path(__file__).resolve().parent.parent
TABLES = {
    "postgresql": """
        CREATE TABLE predictions (
            id SERIAL PRIMARY KEY, timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP, predicted_digit INTEGER,
            true_label INTEGER, image BYTEA, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
            feedback_processed BOOLEAN DEFAULT FALSE)""",
    "mysql": """
        CREATE TABLE predictions (
            id INTEGER PRIMARY KEY, timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP, predicted_digit INTEGER,
            true_label INTEGER, image BLOB, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
            feedback_processed BOOLEAN DEFAULT FALSE)""",
    "sqlite": """
        CREATE TABLE predictions (
            id INTEGER PRIMARY KEY, timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP, predicted_digit INTEGER,
            true_label INTEGER, image BLOB, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
            feedback_processed BOOLEAN DEFAULT FALSE)""",
}


def picture(kind: str) -> bytes:
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 13:16] = 255
    if kind == "raw":
        return pixels.tobytes()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


ROWS = [
    # id, digit, label, picture, processed
    (1, 7, None, picture("PNG"), False),
    (2, 7, 1, picture("PNG"), False),
    (3, 4, 9, picture("JPEG"), True),
    (5, 1, 1, picture("raw"), False),
    (6, None, 3, picture("PNG"), False),
    (7, 2, 2, None, False),  # no picture
    (8, 2, 3, b"\x80\x04 a pickle, say", False),
    (9, 2, 11, picture("PNG"), False),  # no digit
    (10, 2, 2, picture("PNG")[:-30], False),  # cut off
]
GOOD = (1, 2, 3, 5, 6)


def make(url: URL, rows: list[tuple[object, ...]] = ROWS) -> Engine:
    engine = connect(url)
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).parent.mkdir(exist_ok=True)
    with engine.begin() as connection:
        connection.execute(text(TABLES[url.get_backend_name()]))
        for number, digit, label, image, processed in rows:
            connection.execute(
                text("INSERT INTO predictions VALUES (:id, :t, :digit, :label, :image, :t, :processed)"),
                {
                    "id": number,
                    "t": f"2025-03-04 05:06:{number % 60:02d}",
                    "digit": digit,
                    "label": label,
                    "image": image,
                    "processed": processed,
                },
            )
    return engine


def old_rows(engine: Engine, table: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        rows = connection.execute(text(f"SELECT * FROM {table} ORDER BY id"))
        return [tuple(bytes(value) if isinstance(value, memoryview) else value for value in row) for row in rows]


def test_drawings_and_feedback_are_taken_over(transactional_url):
    engine = make(transactional_url)

    done = upgrade(engine)

    assert done is not None
    assert (done.drawings, done.labelled) == (5, 4)
    drawings = Repository(engine).recent(limit=100)
    assert [(each.predicted_digit, each.true_label) for each in reversed(drawings)] == [
        (digit, label) for number, digit, label, *_ in ROWS if number in GOOD
    ]
    third = drawings[2]
    assert third.created_at == datetime(2025, 3, 4, 5, 6, 3, tzinfo=UTC)
    assert third.labelled_at == third.created_at
    assert [each.feedback_processed for each in reversed(drawings)] == [False, False, True, False, False]
    assert {each.model_version for each in drawings} == {0}
    engine.dispose()


def test_every_picture_is_a_png_that_shows_the_same(transactional_url):
    engine = make(transactional_url)

    upgrade(engine)

    [six, five, three, two, one] = Repository(engine).recent(limit=100)
    assert one.image == two.image == six.image == picture("PNG")
    for drawing in (three, five):
        assert drawing.image.startswith(b"\x89PNG")
        difference = decode(drawing.image).astype(int) - decode(picture("PNG"))
        assert np.abs(difference).max() < 20  # a JPEG rounds
    engine.dispose()


def test_what_cannot_be_read_is_told_and_stays_where_it_was(transactional_url):
    engine = make(transactional_url)
    before = old_rows(engine, "predictions")

    done = upgrade(engine)

    assert done is not None
    reasons = dict(done.left_out)
    assert sorted(reasons) == [7, 8, 9, 10]
    assert "no picture" in reasons[7]
    assert "11" in reasons[9]
    assert "damaged" in reasons[10]
    assert old_rows(engine, OLD) == before
    engine.dispose()


def test_the_next_retraining_finds_the_feedback(transactional_url):
    engine = make(transactional_url)

    upgrade(engine)

    labels = Labels(engine)
    assert labels.waiting() == 3
    assert sorted(each.true_label or 0 for each in labels.read(100)) == [1, 1, 3, 9]
    engine.dispose()


def test_the_same_row_gets_the_same_id_wherever_it_is_upgraded(sqlite_url, postgres_url):
    ids = []
    for url in (sqlite_url, postgres_url):
        engine = make(url)
        upgrade(engine)
        ids.append({drawing.id for drawing in Repository(engine).recent(limit=100)})
        engine.dispose()

    assert ids[0] == ids[1]
    assert len(ids[0]) == len(GOOD)


def test_a_second_run_changes_nothing(transactional_url):
    engine = make(transactional_url)
    upgrade(engine)

    assert upgrade(engine) is None

    assert len(Repository(engine).recent(limit=100)) == len(GOOD)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == REVISIONS[-1]
    engine.dispose()


def test_more_rows_than_fit_into_one_chunk(transactional_url, monkeypatch):
    monkeypatch.setattr(command, "CHUNK", 3)
    engine = make(transactional_url, [(number, 1, number % 10, picture("PNG"), False) for number in range(1, 9)])

    done = upgrade(engine)

    assert done is not None
    assert done.drawings == len(Repository(engine).recent(limit=100)) == 8
    engine.dispose()


def test_a_failure_in_the_middle_leaves_the_old_database_as_it_was(transactional_url, monkeypatch):
    engine = make(transactional_url)
    before, tables = old_rows(engine, "predictions"), inspect(engine).get_table_names()
    seen = []

    def fail_late(row):
        seen.append(row)
        if len(seen) == 4:
            raise OSError("disk full")
        return command_drawing(row)

    command_drawing = command._drawing
    monkeypatch.setattr(command, "_drawing", fail_late)
    with pytest.raises(OSError, match="disk full"):
        upgrade(engine)

    assert inspect(engine).get_table_names() == tables
    assert old_rows(engine, "predictions") == before
    engine.dispose()


def test_the_application_names_the_command_and_touches_nothing(transactional_url):
    engine = make(transactional_url)
    before = old_rows(engine, "predictions")

    with pytest.raises(StorageUnavailable, match=r"python -m mnist\.upgrade"):
        Repository(engine).check()

    assert inspect(engine).get_table_names() == ["predictions"]
    assert old_rows(engine, "predictions") == before
    engine.dispose()


def test_tables_of_yet_another_kind_are_refused(transactional_url):
    engine = make(transactional_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE predictions RENAME COLUMN true_label TO weather"))

    with pytest.raises(UnusableSchema, match="did not make"):
        upgrade(engine)

    assert inspect(engine).get_table_names() == ["predictions"]
    engine.dispose()


def test_a_mysql_is_left_as_it_is(mariadb_url):
    engine = make(mariadb_url)
    before = old_rows(engine, "predictions")

    with pytest.raises(UnusableSchema, match="half way"):
        upgrade(engine)

    assert inspect(engine).get_table_names() == ["predictions"]
    assert old_rows(engine, "predictions") == before
    engine.dispose()


def test_an_old_table_in_the_way_is_not_overwritten(transactional_url):
    engine = make(transactional_url)
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE {OLD} (id INTEGER)"))

    with pytest.raises(UnusableSchema, match="already"):
        upgrade(engine)

    assert len(old_rows(engine, "predictions")) == len(ROWS)
    engine.dispose()


@pytest.mark.parametrize("missing", ["created_at", "timestamp", "feedback_processed"])
def test_a_variant_without_a_column_is_taken_over_too(transactional_url, missing):
    engine = make(transactional_url)
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE predictions DROP COLUMN {missing}"))

    done = upgrade(engine)

    assert done is not None
    assert done.drawings == len(GOOD)
    engine.dispose()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("created_at", "yesterday", "no time"),
        ("true_label", "seven", "not a digit"),
        ("true_label", 1e999, "not a digit"),
        ("true_label", 4.5, "not a digit"),
        ("predicted_digit", b"\x07", "not a digit"),
        ("image", "text", "picture"),
    ],
)
def test_sqlite_may_hold_anything_in_any_column(sqlite_url, name, value, why):
    engine = make(sqlite_url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE predictions SET {name} = :value WHERE id = 2"), {"value": value})

    done = upgrade(engine)

    assert done is not None
    assert why in dict(done.left_out)[2]
    assert done.drawings == len(GOOD) - 1
    engine.dispose()


def run(url: URL, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"DATABASE_URL": url.render_as_string(hide_password=False), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-m", "mnist.upgrade", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_the_command_says_what_it_did(transactional_url):
    make(transactional_url).dispose()

    first, second = run(transactional_url, "--json"), run(transactional_url)

    assert first.returncode == second.returncode == 0
    said = json.loads(first.stdout)
    assert (said["outcome"], said["drawings"], said["labelled"]) == ("upgraded", 5, 4)
    assert [each["id"] for each in said["left_out"]] == [7, 8, 9, 10]
    assert "Nothing to do" in second.stdout


def test_the_command_in_words(sqlite_url):
    make(sqlite_url).dispose()

    said = run(sqlite_url)

    assert "5 drawings are taken over, 4 of them labelled" in said.stdout
    assert "  7: it has no picture" in said.stdout


def test_the_command_without_a_database_fails_in_words():
    said = run(URL.create("postgresql", host="127.0.0.1", port=9, username="u", password="s3cret", database="d"))

    assert said.returncode == 1
    assert "Nothing was changed" in said.stderr
    assert "Traceback" not in said.stderr
    assert "s3cret" not in said.stderr
