"""What an administrator does, on SQLite and on a real PostgreSQL."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from mnist.drawing import AlreadyProcessed, BadLabel, UnknownPrediction
from mnist.store import administration as administration_module
from mnist.store.administration import Administration
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.labels import Labels
from tests.store.test_drawings import NOON, allocated, drawing, statements


@pytest.fixture
def administration(engine: Engine) -> Administration:
    return Administration(engine)


@pytest.fixture
def execute(engine: Engine) -> Callable[[str], None]:
    def run(statement: str) -> None:
        with engine.begin() as connection:
            connection.execute(text(statement))

    return run


def test_an_administrator_changes_a_label_that_was_learned_and_it_is_learned_again(
    repository, administration, execute, database_url
):
    kept = drawing(true_label=7, labelled_at=NOON)
    repository.save(kept)
    execute("UPDATE predictions SET feedback_processed = true, processed_by = 2, set_aside = 'disputed'")
    with pytest.raises(AlreadyProcessed):
        repository.correct(kept.id, 1)

    administration.relabel(kept.id, 1)

    found = repository.find(kept.id)
    assert (found.true_label, found.feedback_processed, found.processed_by) == (1, False, None)
    with pytest.raises(AlreadyProcessed, match="administrator"):
        repository.correct(kept.id, 7)
    assert repository.find(kept.id).true_label == 1
    assert found.labelled_at > NOON
    engine = connect(database_url)
    [feedback] = Labels(engine).read(10)
    assert (feedback.reviewed, feedback.set_aside) == (True, None)  # an administrator's word is not disputed
    engine.dispose()


def test_a_wrong_label_or_an_unknown_drawing_is_refused(repository, administration):
    kept = drawing()
    repository.save(kept)

    with pytest.raises(BadLabel):
        administration.relabel(kept.id, 10)
    with pytest.raises(UnknownPrediction):
        administration.relabel(uuid.uuid4(), 1)
    assert not repository.find(kept.id).is_labelled


def test_anybodys_drawings_are_deleted(repository, administration):
    mine, theirs = drawing(), drawing(session_id="somebody else")
    repository.add_all([mine, theirs])

    assert administration.delete([theirs.id, uuid.uuid4()]) == 1
    assert repository.recent(limit=5) == [mine]


def test_disputed_labels_wait_until_somebody_decides(repository, administration, execute, database_url, monkeypatch):
    early, late = drawing(true_label=7, labelled_at=NOON), drawing(true_label=8, labelled_at=NOON + timedelta(hours=1))
    repository.add_all([early, late, drawing(true_label=1, labelled_at=NOON)])
    execute("UPDATE predictions SET feedback_processed = true")
    execute("UPDATE predictions SET set_aside = 'disputed' WHERE true_label > 1")

    assert administration.waiting_for_review() == 2
    assert [each.id for each in administration.to_review(limit=5)] == [late.id, early.id]
    assert [each.id for each in administration.to_review(limit=1)] == [late.id]

    monkeypatch.setattr(administration_module, "MANY", 1)
    assert administration.waiting_for_review() == 1  # "or more"

    engine = connect(database_url)
    Administration(engine).review(late.id, accept=False)
    Administration(engine).review(early.id, accept=True)
    engine.dispose()
    assert administration.waiting_for_review() == 0
    assert administration.to_review(limit=5) == []


def test_all_labelled_drawings_come_in_chunks_without_gaps(repository, administration, monkeypatch):
    monkeypatch.setattr(administration_module, "CHUNK", 2)
    labelled = [drawing(labelled_at=NOON + timedelta(minutes=number // 3)) for number in range(7)]
    repository.add_all([*labelled, drawing()])

    found = [each.id for each in administration.labelled()]

    assert len(found) == 7
    assert set(found) == {each.id for each in labelled}


def test_only_a_portion_of_the_photos_is_in_memory_at_a_time(sqlite_url):
    engine = connect(sqlite_url)
    Repository(engine).add_all([drawing(image=bytes(2**20), labelled_at=NOON) for _ in range(20)])

    with allocated() as most:
        assert sum(len(each.image) for each in Administration(engine).labelled()) == 20 * 2**20
        assert 4 * 2**20 < most() < 7 * 2**20  # a portion, and not the one before it as well
    engine.dispose()


def test_only_new_drawings_are_added(repository, administration):
    known, new = drawing(true_label=1, labelled_at=NOON), drawing()
    repository.save(known)

    assert administration.add_new([replace(known, true_label=9), new, new]) == 1
    assert administration.add_new([]) == 0
    assert repository.find(known.id).true_label == 1
    assert len(repository.recent(limit=5)) == 2


def test_many_photos_are_added_in_several_statements(administration):
    with statements("INSERT INTO predictions") as sent:
        assert administration.add_new([drawing(image=bytes(2**20)) for _ in range(10)]) == 10

    assert len(sent) == 3
