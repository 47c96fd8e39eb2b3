"""The repository, on SQLite, on a real PostgreSQL and on a real MariaDB."""

import random
import threading
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import URL, Engine, create_engine, event, text, update
from sqlalchemy.exc import IntegrityError

from mnist.drawing import AlreadyProcessed, BadLabel, Drawing, StorageUnavailable, UnknownPrediction, parse_label
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.tables import PredictionRow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def drawing(**changes) -> Drawing:
    sure_one = Drawing(
        image=b"\x89PNG one",
        source="canvas",
        predicted_digit=1,
        confidence=0.97,
        probabilities=(0.01, 0.97, 0.02, 0, 0, 0, 0, 0, 0, 0),
        verdict="digit",
        model_version=3,
        session_id="a visitor",
        created_at=NOON,
    )
    return replace(sure_one, id=uuid.uuid4(), **changes)


def test_what_is_saved_comes_back_whole(repository):
    kept = drawing(
        image=random.Random(0).randbytes(200_000),
        confidence=0.9876543210987654,
        predicted_number="12",
        session_id="Zoë 🖊",
        created_at=NOON.replace(microsecond=123_456),
    )

    repository.save(kept)

    assert repository.find(kept.id) == kept


def test_a_drawing_that_grows_stays_one_row_with_its_first_time(repository):
    first = drawing()
    repository.save(first)

    repository.save(replace(first, image=b"\x89PNG seven", predicted_digit=7, created_at=NOON + timedelta(seconds=2)))

    [kept] = repository.recent(limit=10)
    assert (kept.image, kept.predicted_digit, kept.created_at) == (b"\x89PNG seven", 7, NOON)


def test_a_correction_sets_the_label_and_keeps_the_guess(repository):
    kept = drawing()
    repository.save(kept)

    repository.correct(kept.id, 7)

    [found] = repository.recent(limit=10)
    assert (found.predicted_digit, found.true_label, found.is_labelled) == (1, 7, True)
    assert found.labelled_at.tzinfo is not None


def test_another_label_replaces_the_first(repository):
    kept = drawing()
    repository.save(kept)
    repository.correct(kept.id, 7)

    repository.correct(kept.id, None)

    found = repository.find(kept.id)
    assert (found.true_label, found.is_labelled) == (None, True)


def test_a_whole_number_is_a_label_too(repository):
    kept = drawing(predicted_digit=None, predicted_number="2026")
    repository.save(kept)

    repository.correct(kept.id, "2025")

    found = repository.find(kept.id)
    assert (found.guess, found.truth, found.true_label) == ("2026", "2025", None)


def test_a_new_stroke_does_not_remove_the_label(repository):
    kept = drawing()
    repository.save(kept)
    repository.correct(kept.id, 7)

    repository.save(kept)

    assert repository.find(kept.id).true_label == 7


def test_an_unknown_drawing_can_not_be_corrected(repository):
    with pytest.raises(UnknownPrediction):
        repository.correct(uuid.uuid4(), 7)
    with pytest.raises(UnknownPrediction):
        repository.find(uuid.uuid4())


@pytest.mark.parametrize("set_aside", [None, "held_out", "disputed"])
def test_a_label_that_a_retraining_has_processed_stays(repository, set_aside):
    processed = drawing(true_label=7, labelled_at=NOON)
    repository.save(processed)
    with repository._session() as session:
        session.execute(update(PredictionRow).values(feedback_processed=True, processed_by=4, set_aside=set_aside))

    with pytest.raises(AlreadyProcessed, match=r"^A retraining has already processed this .* it can't be changed"):
        repository.correct(processed.id, 1)

    assert repository.find(processed.id).true_label == 7


def test_a_correction_tells_whether_the_network_was_right(repository):
    one, number, scribble = (
        drawing(),
        drawing(predicted_digit=None, predicted_number="26"),
        drawing(predicted_digit=None),
    )
    repository.add_all([one, number, scribble])

    assert repository.correct(one.id, 1)
    assert not repository.correct(one.id, 7)
    assert not repository.correct(one.id, None)
    assert repository.correct(number.id, "26")
    assert not repository.correct(number.id, "27")
    assert repository.correct(scribble.id, None)


def test_several_drawings_are_stored_together_or_not_at_all(repository):
    first, second = drawing(), drawing()
    with pytest.raises(IntegrityError):
        repository.add_all([first, replace(second, confidence=1.5)])
    assert repository.recent(limit=10) == []

    repository.add_all([first, second])

    assert {kept.id for kept in repository.recent(limit=10)} == {first.id, second.id}
    repository.add_all([])


@contextmanager
def statements(which: str) -> Iterator[list[str]]:
    """Those that begin so and are sent meanwhile, to any database."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_):
        if statement.startswith(which):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@contextmanager
def allocated() -> Iterator[Callable[[], int]]:
    """Tells how many bytes Python has held at once meanwhile."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_many_photos_go_in_several_statements_of_one_transaction(repository):
    photos = [drawing(image=bytes(2**20)) for _ in range(10)]
    with statements("INSERT INTO predictions") as sent, pytest.raises(IntegrityError):
        repository.add_all([*photos[:9], replace(photos[9], confidence=1.5)])
    assert len(sent) == 3
    assert repository.recent(limit=20) == []

    with statements("INSERT INTO predictions") as sent:
        repository.add_all(photos)

    assert len(sent) == 3
    assert {kept.id for kept in repository.recent(limit=20)} == {photo.id for photo in photos}


def test_ordinary_drawings_go_in_one_statement(repository):
    with statements("INSERT INTO predictions") as sent:
        repository.add_all([drawing(image=bytes(3_000)) for _ in range(100)])

    assert len(sent) == 1


def test_accuracy_counts_the_latest_labels_of_each_version(repository):
    labels = [(1, 1, 3), (1, 7, 3), (None, None, 3), (1, None, 4), (1, 1, 4)]  # read, said, version; oldest first
    repository.add_all(
        [
            drawing(
                predicted_digit=read,
                true_label=said,
                model_version=version,
                labelled_at=NOON + timedelta(minutes=minute),
            )
            for minute, (read, said, version) in enumerate(labels)
        ]
    )
    repository.add_all(
        [drawing(), drawing(predicted_digit=None, predicted_number="2", true_number="3", labelled_at=NOON)]
    )

    def counts(latest):
        return sorted((each.model_version, each.labelled, each.right) for each in repository.accuracy(latest=latest))

    assert counts(100) == [(3, 4, 2), (4, 2, 1)]
    assert counts(3) == [(3, 1, 1), (4, 2, 1)]


def test_accuracy_is_read_without_touching_the_pictures(sqlite_url):
    engine = connect(sqlite_url)
    asked = []
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2:4]))
    Repository(engine).accuracy(latest=10)
    statement, values = asked[-1]

    with engine.connect() as connection:
        plan = " ".join(str(row) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))

    assert "COVERING INDEX predictions_labelled" in plan
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan
    engine.dispose()


def test_a_check_passes_only_while_the_database_answers(repository):
    repository.check()

    with pytest.raises(StorageUnavailable):
        Repository(connect(URL.create("postgresql+psycopg2", "someone", "x", "127.0.0.1", 9, "mnist"))).check()


def test_tables_that_have_gone_are_noticed_and_made_again(repository, database_url):
    repository.check()
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE predictions"))
        connection.execute(text("DROP TABLE models"))
        connection.execute(text("DROP TABLE alembic_version"))
    engine.dispose()

    with pytest.raises(StorageUnavailable):
        repository.check()
    repository.check()


@pytest.mark.parametrize("label", [-1, 10, 7.0, True, "", "x", "٣", "-1", "1" * 33, b"7", [7]])
def test_only_digits_numbers_and_none_are_labels(label):
    with pytest.raises(BadLabel):
        parse_label(label)


def test_a_number_of_one_digit_is_that_digit():
    assert parse_label("7") == parse_label(7) == (7, None)


@pytest.mark.parametrize("bad", [{"true_label": 10, "labelled_at": NOON}, {"true_label": 3}, {"confidence": 1.5}])
def test_the_database_itself_refuses_what_is_no_label_or_probability(repository, bad):
    with pytest.raises(IntegrityError):
        repository.save(drawing(**bad))

    assert repository.recent(limit=10) == []


def test_the_latest_come_first_and_only_as_many_as_asked(repository):
    drawings = [drawing(created_at=NOON + timedelta(minutes=minute)) for minute in range(5)]
    for kept in drawings:
        repository.save(kept)

    assert repository.recent(limit=3) == [drawings[4], drawings[3], drawings[2]]


def test_a_session_sees_its_own_drawings_only(repository):
    mine, theirs = drawing(session_id="me"), drawing(session_id="ME")
    repository.save(mine)
    repository.save(theirs)

    assert repository.recent(limit=10, session_id="me") == [mine]


def test_deleting_takes_a_sessions_drawings_and_nobody_elses(repository):
    mine, also_mine, theirs = drawing(), drawing(), drawing(session_id="somebody else")
    for kept in (mine, also_mine, theirs):
        repository.save(kept)

    assert repository.delete("a visitor", theirs.id) == 0
    assert repository.delete("a visitor", mine.id) == 1
    assert repository.delete("a visitor") == 1

    assert repository.recent(limit=10) == [theirs]


def test_storing_works_again_when_the_database_is_back(tmp_path):
    blocked = tmp_path / "data"
    blocked.write_text("a file where the folder should be")
    repository = Repository(connect(URL.create("sqlite", database=str(blocked / "mnist.db"))))
    kept = drawing()
    with pytest.raises(StorageUnavailable):
        repository.save(kept)

    blocked.unlink()

    repository.save(kept)
    assert repository.find(kept.id) == kept


def test_a_postgresql_that_is_away_is_told_without_its_password():
    nowhere = URL.create("postgresql+psycopg2", "someone", "secret", "127.0.0.1", 9, "mnist")

    with pytest.raises(StorageUnavailable) as told:
        Repository(connect(nowhere)).recent(limit=1)

    assert "secret" not in str(told.value)


def test_drawings_that_are_saved_at_the_same_moment_do_not_block_each_other(database_url):
    repository = Repository(connect(database_url))
    repository.check()
    failures = []

    def keep_saving() -> None:
        try:
            for _ in range(25):
                repository.save(drawing())
        except StorageUnavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=keep_saving) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(repository.recent(limit=200)) == 100


def test_a_mariadb_that_restarts_costs_no_drawing(mariadb_url):
    repository = Repository(connect(mariadb_url))
    first, second = drawing(), drawing()
    repository.save(first)
    admin = create_engine(mariadb_url)
    with admin.connect() as connection:
        others = text("SELECT id FROM information_schema.processlist WHERE db = :name AND id <> CONNECTION_ID()")
        for other in connection.scalars(others, {"name": mariadb_url.database}).all():
            connection.exec_driver_sql(f"KILL {other}")
    admin.dispose()

    repository.save(second)

    assert {kept.id for kept in repository.recent(limit=10)} == {first.id, second.id}


def test_a_postgresql_that_restarts_costs_no_drawing(postgres_url):
    repository = Repository(connect(postgres_url))
    first, second = drawing(), drawing()
    repository.save(first)
    admin = create_engine(postgres_url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:  # what a restart does to a pooled connection
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"),
            {"name": postgres_url.database},
        )
    admin.dispose()

    repository.save(second)

    assert {kept.id for kept in repository.recent(limit=10)} == {first.id, second.id}


def test_sqlite_lets_others_read_while_one_writes(sqlite_url):
    writer, reader = Repository(connect(sqlite_url)), connect(sqlite_url)
    writer.save(drawing())
    with create_engine(sqlite_url).connect() as busy:
        busy.exec_driver_sql("BEGIN IMMEDIATE")
        with reader.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM predictions")).scalar() == 1
