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


@pytest.mark.parametrize("least_sure", [False, True])
def test_the_drawings_beside_one_are_those_of_the_list_even_if_it_matches_no_more(repository, history, least_sure):
    sure = {"a": 0.9, "b": 0.4, "c": 0.4, "d": 0.7}
    made = {
        name: drawing(created_at=NOON - timedelta(minutes=minute), confidence=confidence)
        for minute, (name, confidence) in enumerate(sure.items())
    }
    repository.add_all([*made.values(), drawing(session_id="somebody else", confidence=0.5)])
    wanted = Wanted("a visitor", state="unlabelled", least_sure=least_sure)
    order = ["c", "b", "d", "a"] if least_sure else ["a", "b", "c", "d"]
    names = {each.id: name for name, each in made.items()}
    assert [names[each.id] for each in history.page(wanted, limit=9).drawings] == order

    repository.correct(made["b"].id, 3)  # matches no more

    place = order.index("b")
    beside = history.neighbours(wanted, made["b"])
    assert (names[beside.previous] if beside.previous else None, names[beside.next]) == (
        order[place - 1] if place else None,
        order[place + 1],
    )
    ends = [history.neighbours(wanted, made[order[end]]) for end in (0, -1)]
    assert (ends[0].previous, ends[1].next) == (None, None)


def test_the_least_sure_drawings_come_first_page_by_page(repository, history, monkeypatch):
    monkeypatch.setattr(history_module, "SORTED", 6)
    shares = [0.9, 0.3, 0.3, 0.5, 0.1, 0.7, 0.2]  # the last one is the oldest, and is left out
    for minutes, share in enumerate(shares):
        repository.save(drawing(created_at=NOON - timedelta(minutes=minutes), confidence=share))
    wanted = Wanted("a visitor", least_sure=True)

    first = history.page(wanted, limit=2)
    second = history.page(wanted, limit=2, before=first.older)
    third = history.page(wanted, limit=2, before=second.older)

    assert [[each.confidence for each in page.drawings] for page in (first, second, third)] == [
        [0.1, 0.3],
        [0.3, 0.5],
        [0.7, 0.9],
    ]
    assert third.older is None


def test_what_matches_is_counted_among_the_latest_drawings(repository, history, monkeypatch):
    for minutes in range(4):
        repository.save(drawing(created_at=NOON - timedelta(minutes=minutes), source="upload" if minutes else "canvas"))

    assert history.count(Wanted(source="upload")) == (3, True)
    assert history.count(Wanted()) == (4, True)
    monkeypatch.setattr(history_module, "SEARCHED", 3)
    assert history.count(Wanted(source="upload")) == (2, False)
    assert history.count(Wanted()) == (3, False)
