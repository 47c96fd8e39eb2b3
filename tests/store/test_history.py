"""Looking back, on SQLite and on a real PostgreSQL."""

import uuid
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlalchemy import URL, event

from mnist.drawing import Record
from mnist.store import drawings as drawings_module
from mnist.store import history as history_module
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.history import History, Page, Wanted
from tests.store.test_drawings import NOON, drawing


@pytest.fixture
def history(database_url: URL) -> Iterator[History]:
    engine = connect(database_url)
    yield History(engine)
    engine.dispose()


def test_the_history_goes_back_page_by_page_without_gaps(repository, history):
    # Three drawings of one moment: the place between pages must not depend on the time alone.
    moments = [0, 1, 1, 1, 2, 3]
    drawings = [drawing(created_at=NOON + timedelta(minutes=minute)) for minute in moments]
    for kept in (*drawings, drawing(session_id="somebody else")):
        repository.save(kept)

    seen, place = [], None
    while (page := history.page(Wanted("a visitor"), limit=2, before=place)).older:
        seen += page.drawings
        place = page.older
    seen += page.drawings

    assert sorted(each.id for each in seen) == sorted(each.id for each in drawings)
    assert [each.created_at for each in seen] == sorted((each.created_at for each in drawings), reverse=True)


@pytest.mark.parametrize(("wanted", "found"), [
    ({"state": "unlabelled"}, ["open", "unsure", "photo"]),
    ({"state": "right"}, ["right", "right none"]),
    ({"state": "wrong"}, ["wrong", "wrong number"]),
    ({"digit": 1}, ["open", "right", "wrong", "unsure", "photo"]),
    ({"digit": 1, "state": "wrong"}, ["wrong"]),
    ({"verdict": "unsure"}, ["unsure"]),
    ({"source": "camera"}, ["photo"]),
    ({"version": 2}, ["photo"]),
    ({"truth": "7"}, ["wrong"]),
    ({"truth": "1"}, ["right"]),
    ({"truth": "not a digit"}, ["right none"]),
    ({"truth": "a number"}, ["wrong number"]),
    ({"truth": "7", "state": "right"}, []),
    ({"since": NOON + timedelta(days=1), "until": NOON + timedelta(days=2)}, ["photo"]),
    ({"until": NOON}, []),
])  # fmt: skip
def test_the_history_can_be_narrowed(repository, history, wanted, found):
    kept = {
        "open": drawing(),
        "right": drawing(true_label=1, labelled_at=NOON),
        "wrong": drawing(true_label=7, labelled_at=NOON),
        "right none": drawing(predicted_digit=None, labelled_at=NOON),
        "wrong number": drawing(predicted_digit=None, predicted_number="12", true_number="13", labelled_at=NOON),
        "unsure": drawing(verdict="unsure"),
        "photo": drawing(source="camera", model_version=2, created_at=NOON + timedelta(days=1)),
    }
    for each in kept.values():
        repository.save(each)

    page = history.page(Wanted("a visitor", **wanted), limit=10)

    assert {each.id for each in page.drawings} == {kept[name].id for name in found}


def test_everybodys_drawings_come_where_no_session_is_named(repository, history):
    repository.add_all([drawing(), drawing(session_id="somebody else"), drawing(session_id=None)])

    assert len(history.page(Wanted(), limit=10).drawings) == 3
    assert len(history.page(Wanted("somebody else"), limit=10).drawings) == 1


def test_a_rare_match_is_found_over_several_pages_each_of_bounded_work(repository, history, monkeypatch):
    monkeypatch.setattr(history_module, "SEARCHED", 4)
    rare = drawing(created_at=NOON - timedelta(days=1), source="camera")
    repository.add_all([rare, *(drawing(created_at=NOON + timedelta(minutes=minute)) for minute in range(9))])

    pages, place = [], None
    for _ in range(9):
        page = history.page(Wanted(source="camera"), limit=5, before=place)
        pages.append(page)
        if (place := page.older) is None:
            break

    assert [[each.id for each in page.drawings] for page in pages] == [[], [], [rare.id]]


def test_an_empty_history_has_one_empty_page(history):
    assert history.page(Wanted("a visitor"), limit=5) == Page([], None)


def test_chosen_drawings_come_in_the_order_asked_for(repository, history):
    first, second = drawing(), drawing()
    repository.add_all([first, second, drawing()])
    ids = [second.id, uuid.uuid4(), first.id]

    assert [each.id for each in history.some(ids, most=9)] == [second.id, first.id]
    assert [each.id for each in history.some(ids, most=1)] == [second.id]
    assert history.some([], most=9) == []


def test_a_list_tells_everything_about_a_drawing_but_its_picture(repository, history):
    kept = drawing(predicted_number="12", true_label=7, labelled_at=NOON, feedback_processed=True)
    repository.save(kept)
    told = {name: getattr(kept, name) for name in Record.__dataclass_fields__}

    [listed] = history.page(Wanted("a visitor"), limit=5).drawings

    assert {name: getattr(listed, name) for name in told} == told
    assert not hasattr(listed, "image")


def test_pictures_are_read_a_portion_at_a_time(engine, repository, history, monkeypatch):
    monkeypatch.setattr(drawings_module, "PORTION", 25_000)
    large = [drawing(image=bytes([number]) * 10_000) for number in range(8)]
    repository.add_all(large)
    read = []
    history.some([], most=1)  # the first query looks at the schema, too
    event.listen(history._engine, "before_cursor_execute", lambda *said: read.append(said[2]))

    pictures = history.pictures([*(each.id for each in large), uuid.uuid4()])
    first = next(pictures)

    assert len(read) == 2  # the sizes, and the first three pictures
    assert dict([first, *pictures]) == {each.id: each.image for each in large}
    assert len(read) == 4


def test_a_session_is_told_which_drawings_it_labelled(repository, history):
    mine, theirs = drawing(labelled_at=NOON), drawing(labelled_at=NOON, session_id="somebody else")
    repository.add_all([mine, theirs, drawing()])

    assert history.labelled_by("a visitor") == {mine.id}
    assert history.labelled_by("nobody") == set()


def test_labels_tell_what_was_said_beside_what_was_read(repository, history):
    wrong = drawing(true_label=7, labelled_at=NOON)
    number = drawing(
        predicted_digit=None, predicted_number="12", true_number="12", labelled_at=NOON + timedelta(hours=1)
    )
    none = drawing(predicted_digit=None, labelled_at=NOON + timedelta(hours=2))
    repository.add_all([wrong, number, none, drawing()])

    labels = history.labels()

    assert [(label.drawing_id, label.guess, label.truth, label.is_right) for label in labels] == [
        (none.id, None, None, True),
        (number.id, "12", "12", True),
        (wrong.id, "1", "7", False),
    ]
    assert (labels[2].confidence, labels[2].model_version, labels[2].labelled_at) == (0.97, 3, NOON)


def test_drawings_are_counted_by_day_and_source(repository, history):
    earlier = drawing(created_at=NOON - timedelta(days=3))
    repository.add_all([drawing(), drawing(source="api"), drawing(source="api"), earlier])

    assert history.drawings_a_day() == {
        (date(2026, 11, 20), "canvas"): 1,
        (date(2026, 11, 20), "api"): 2,
        (date(2026, 11, 17), "canvas"): 1,
    }


def test_a_page_that_is_deleted_while_it_is_read_leads_on_all_the_same(sqlite_url):
    engine = connect(sqlite_url)
    drawings = [drawing(created_at=NOON + timedelta(minutes=minute)) for minute in range(3)]
    Repository(engine).add_all(drawings)

    def delete_first(connection, cursor, said, *more):
        if said.startswith("SELECT") and " IN (" in said:
            connection.exec_driver_sql("DELETE FROM predictions WHERE created_at >= '2026-11-20 12:01'")

    event.listen(engine, "before_cursor_execute", delete_first)
    page = History(engine).page(Wanted("a visitor"), limit=2)
    event.remove(engine, "before_cursor_execute", delete_first)

    assert page.drawings == []
    assert [each.id for each in History(engine).page(Wanted("a visitor"), limit=2, before=page.older).drawings] == [
        drawings[0].id
    ]
    engine.dispose()
