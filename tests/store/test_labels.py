"""What a retraining reads of people's labels, and what it notes about them."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import URL, create_engine, event, update

from mnist.drawing import AlreadyProcessed, Drawing, UnknownPrediction
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.labels import Contribution, Labels, Mark
from mnist.store.model_registry import Registry
from mnist.store.tables import PredictionRow
from tests.store.test_drawings import allocated, statements
from tests.store.test_model_registry import NOON, labelled, mark, row


def test_a_label_that_was_learned_or_set_aside_can_not_be_changed(registry, repository):
    registry.seed(b"shipped", {})
    drawings = [labelled(repository), labelled(repository)]
    registry.promote(b"t", {}, parent=1, replaces=1, marks=[mark(drawings[0]), mark(drawings[1], "disputed")])

    for drawing in drawings:
        with pytest.raises(AlreadyProcessed):
            repository.correct(drawing.id, 3)


def test_marks_of_many_rows_reach_every_one_of_them(registry, labels, repository):
    registry.seed(b"shipped", {})
    drawings = [replace(labelled(repository, minute=0), id=uuid.uuid4()) for _ in range(1)]
    drawings += [replace(drawings[0], id=uuid.uuid4()) for _ in range(1_200)]
    repository.add_all(drawings)
    assert labels.waiting() == len(drawings) + 1

    labels.mark([mark(drawing, "blank") for drawing in drawings])

    assert labels.waiting() == 1


def test_marking_reads_no_other_rows(sqlite_url):
    engine = connect(sqlite_url)
    marking = []
    event.listen(engine, "before_cursor_execute", lambda _, cursor, said, values, *more: marking.append((said, values)))
    Labels(engine).mark([Mark(uuid.uuid4(), NOON), Mark(uuid.uuid4(), NOON)])

    [(said, values)] = [each for each in marking if each[0].startswith("UPDATE predictions")]
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", values).all()
    engine.dispose()
    assert "SEARCH predictions USING INDEX" in plan[0][3]


def test_feedback_comes_waiting_first(registry, labels, repository):
    registry.seed(b"shipped", {})
    old, older = labelled(repository, minute=1), labelled(repository, minute=0)
    registry.promote(b"t", {}, parent=1, replaces=1, marks=[mark(old), mark(older)])
    new, newer = labelled(repository, minute=2), labelled(repository, None, minute=3)
    number = labelled(repository, None, minute=4, true_number="2026")
    labelled(repository, None, labelled_at=None)

    found = list(labels.read(limit=10))

    assert [each.id for each in found] == [new.id, newer.id, number.id, old.id, older.id]
    assert [each.is_processed for each in found] == [False, False, False, True, True]
    assert [each.true_label for each in found] == [7, None, None, 7, 7]
    assert [each.true_number for each in found] == [None, None, "2026", None, None]
    assert labels.waiting() == 3
    assert labels.waiting(at_most=2) == 2  # "or more"


def flood(registry: Registry, repository: Repository) -> tuple[set[uuid.UUID], list[Drawing], set[uuid.UUID]]:
    """50 honest labels that were learned or held out, 60 of one person after them, and 10 honest new ones."""
    registry.seed(b"shipped", {})
    honest = [labelled(repository, minute=minute) for minute in range(50)]
    marks = [mark(each, "held_out" if place % 5 == 0 else None) for place, each in enumerate(honest)]
    registry.promote(b"t", {}, parent=1, replaces=1, marks=marks)
    same = [labelled(repository, minute=minute, session_id="one") for minute in range(50, 110)]
    new = [labelled(repository, minute=minute) for minute in range(110, 120)]
    return {each.id for each in honest}, same, {each.id for each in new}


def test_many_labels_that_were_set_aside_keep_no_run_from_the_believed_ones(registry, labels, repository):
    honest, same, new = flood(registry, repository)
    labels.mark([mark(each, "duplicate") for each in same])

    read = [each.id for each in labels.read(limit=70)]

    assert set(read[:10]) == new
    assert set(read[10:60]) == honest
    assert read[60:] == [each.id for each in same[:-11:-1]]  # as far as there is room, the latest


def test_many_labels_that_wait_keep_no_run_from_the_believed_ones(registry, labels, repository):
    honest, same, new = flood(registry, repository)

    read = [each.id for each in labels.read(limit=100)]
    labels.mark([mark(each, "duplicate") for each in same if each.id in read])

    assert len(read) == 100
    assert read[:50] == [each.id for each in same[:50]]
    assert set(read[50:]) == honest
    assert honest | new <= {each.id for each in labels.read(limit=100)}  # the others wait for the next run


def test_a_label_that_is_changed_while_it_is_read_comes_once(registry, labels, repository):
    registry.seed(b"shipped", {})
    first = labelled(repository)
    repository.add_all([replace(first, id=uuid.uuid4(), labelled_at=NOON + timedelta(days=1)) for _ in range(600)])
    reading = labels.read(10_000)

    read = [next(reading)]
    repository.correct(first.id, 1)
    read += reading

    assert read[0].id == first.id
    assert len({each.id for each in read}) == len(read) == 601


def test_feedback_is_read_to_its_limit_across_chunks(labels, repository, monkeypatch):
    monkeypatch.setattr("mnist.store.session.AT_ONCE", 200)
    template = labelled(repository)
    repository.add_all([replace(template, id=uuid.uuid4()) for _ in range(1_100)])

    assert len({each.id for each in labels.read(limit=5_000)}) == 1_101
    assert len(list(labels.read(limit=700))) == 700


def test_only_a_portion_of_the_photos_is_in_memory_at_a_time(sqlite_url):
    engine = connect(sqlite_url)
    template = labelled(Repository(engine), image=bytes(2**20))
    Repository(engine).add_all([replace(template, id=uuid.uuid4()) for _ in range(19)])

    with allocated() as most:
        assert sum(len(each.image) for each in Labels(engine).read(limit=100)) == 20 * 2**20
        assert 4 * 2**20 < most() < 7 * 2**20  # a portion, and not the one before it as well
    engine.dispose()


def test_ordinary_drawings_are_read_in_few_statements(labels, repository):
    template = labelled(repository, image=bytes(3_000))
    repository.add_all([replace(template, id=uuid.uuid4()) for _ in range(1_000)])
    list(labels.read(limit=1))

    with statements("SELECT") as sent:
        assert len(list(labels.read(limit=5_000))) == 1_001

    assert len(sent) <= 5


def test_a_person_can_see_which_version_learned_from_them(registry, labels, repository):
    registry.seed(b"shipped", {})
    mine, disputed, theirs = (
        labelled(repository),
        labelled(repository),
        labelled(repository, session_id="someone else"),
    )
    assert labels.contribution("a visitor") is None

    version = registry.promote(
        b"t", {}, parent=1, replaces=1, marks=[mark(mine), mark(theirs), mark(disputed, "disputed")]
    )

    assert labels.contribution("a visitor") == Contribution(version, labels=1)
    registry.roll_back()
    assert labels.contribution("a visitor") is None


def test_a_person_can_see_which_of_their_corrections_a_version_learned(registry, labels, repository):
    registry.seed(b"shipped", {})
    corrected = labelled(repository, predicted_digit=4, true_label=9)
    confirmed = labelled(repository, predicted_digit=9, true_label=9)
    theirs = labelled(repository, predicted_digit=4, true_label=9, session_id="someone else")
    doubted = labelled(repository, predicted_digit=4, true_label=9)

    version = registry.promote(
        b"t",
        {},
        parent=1,
        replaces=1,
        marks=[mark(corrected), mark(confirmed), mark(theirs), mark(doubted, "disputed")],
    )

    assert [each.id for each in labels.corrections_learned("a visitor", version, limit=24)] == [corrected.id]
    assert labels.corrections_learned("a visitor", version, limit=0) == []
    assert labels.corrections_learned("a visitor", 1, limit=24) == []


def test_what_was_learned_by_a_rejected_candidate_only_is_nobodys_contribution(registry, labels, repository):
    registry.seed(b"shipped", {})
    drawing = labelled(repository)
    registry.reject(b"bad", {}, parent=1, marks=[mark(drawing)])

    assert labels.contribution("a visitor") is None


def test_a_persons_review_holds_against_later_runs(registry, labels, administration, repository, database_url):
    registry.seed(b"shipped", {})
    trusted, revoked, waiting = labelled(repository), labelled(repository), labelled(repository)
    registry.promote(b"t", {}, parent=1, replaces=1, marks=[mark(trusted, "disputed"), mark(revoked)])

    administration.review(trusted.id, accept=True)
    administration.review(revoked.id, accept=False)
    labels.mark([mark(trusted, "disputed"), mark(revoked)])

    assert row(database_url, trusted) == (True, None, None)
    assert row(database_url, revoked) == (True, 2, "revoked")
    assert labels.contribution("a visitor") is None
    registry.promote(b"u", {}, parent=1, replaces=2, marks=[Mark(trusted.id, trusted.labelled_at, None, reviewed=True)])
    assert labels.contribution("a visitor") == Contribution(3, labels=1)
    with pytest.raises(UnknownPrediction):
        administration.review(waiting.id, accept=True)


def relabel(database_url: URL, drawing: Drawing, label: int, minute: int) -> None:
    """What an administrator does: the label counts as new, and as a person's word."""
    engine = create_engine(database_url)
    changes = {
        "true_label": label,
        "labelled_at": NOON + timedelta(minutes=minute),
        "reviewed": True,
        "feedback_processed": False,
        "processed_by": None,
        "set_aside": None,
    }
    with engine.begin() as connection:
        connection.execute(update(PredictionRow).where(PredictionRow.id == drawing.id).values(changes))
    engine.dispose()


def test_a_label_that_an_administrator_changed_is_marked_once_by_the_run_that_read_it(
    registry, labels, repository, database_url
):
    registry.seed(b"shipped", {})
    learned, held_out = labelled(repository), labelled(repository)
    registry.promote(b"two", {}, parent=1, replaces=1, marks=[mark(learned), mark(held_out)])
    relabel(database_url, learned, 3, minute=50)
    relabel(database_url, held_out, 3, minute=50)
    read = {each.id: each for each in labels.read(limit=10)}
    assert [(each.true_label, each.is_processed, each.reviewed) for each in read.values()] == [(3, False, True)] * 2

    marks = [
        Mark(learned.id, read[learned.id].labelled_at, None, reviewed=True),
        Mark(held_out.id, read[held_out.id].labelled_at, "held_out", reviewed=True),
    ]
    registry.promote(b"three", {}, parent=1, replaces=2, marks=marks)

    assert labels.waiting() == 0
    assert row(database_url, learned) == (True, 3, None)
    assert row(database_url, held_out) == (True, 3, "held_out")


def test_what_an_administrator_does_during_a_run_holds_against_its_marks(
    registry, labels, administration, repository, database_url
):
    registry.seed(b"shipped", {})
    relabelled, twice, revoked = labelled(repository), labelled(repository), labelled(repository)
    relabel(database_url, twice, 3, minute=50)
    relabel(database_url, revoked, 3, minute=50)
    marks = [Mark(each.id, each.labelled_at, None, each.reviewed) for each in labels.read(limit=10)]
    labels.mark([Mark(revoked.id, NOON + timedelta(minutes=50), None, reviewed=True)])

    relabel(database_url, relabelled, 4, minute=0)  # even if the time of the label stayed what it was
    relabel(database_url, twice, 4, minute=51)
    administration.review(revoked.id, accept=False)
    registry.promote(b"two", {}, parent=1, replaces=1, marks=marks)

    assert row(database_url, relabelled) == (False, None, None)
    assert row(database_url, twice) == (False, None, None)
    assert row(database_url, revoked) == (True, None, "revoked")
