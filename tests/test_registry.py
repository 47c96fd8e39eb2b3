"""Versions and marks, on SQLite, on a real PostgreSQL and on a real MariaDB."""

import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import URL, create_engine, event, text, update

from mnist.database import PredictionRow, connect
from mnist.registry import ActiveVersionChanged, Contribution, Mark, NoSuchVersion, Registry
from mnist.repository import AlreadyProcessed, Drawing, Repository, UnknownPrediction
from mnist.storage import StorageUnavailable
from tests.test_repository import allocated, statements

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def registry(database_url):
    engine = connect(database_url)
    yield Registry(engine)
    engine.dispose()


@pytest.fixture
def repository(database_url):
    engine = connect(database_url)
    yield Repository(engine)
    engine.dispose()


def labelled(repository: Repository, label: int | None = 7, minute: int = 0, **changes) -> Drawing:
    drawing = Drawing(
        image=b"\x89PNG",
        source="canvas",
        predicted_digit=1,
        confidence=0.97,
        probabilities=(0.01, 0.97, 0.02, 0, 0, 0, 0, 0, 0, 0),
        verdict="digit",
        model_version=1,
        session_id="a visitor",
        created_at=NOON,
        true_label=label,
        labelled_at=NOON + timedelta(minutes=minute),
    )
    drawing = replace(drawing, id=uuid.uuid4(), **changes)
    repository.save(drawing)
    return drawing


def mark(drawing: Drawing, set_aside: str | None = None) -> Mark:
    return Mark(drawing.id, drawing.labelled_at, set_aside)


def row(database_url: URL, drawing: Drawing) -> tuple:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, feedback_processed, processed_by, set_aside FROM predictions")).all()
    engine.dispose()
    [found] = [tuple(each[1:]) for each in rows if str(each[0]).replace("-", "") == drawing.id.hex]
    return (bool(found[0]), found[1], found[2])


def statuses(registry: Registry) -> dict[int, str]:
    return {version.version: version.status for version in registry.versions()}


# --- seeding


def test_the_shipped_network_becomes_version_1_and_active(registry):
    assert registry.active() is None

    assert registry.seed(b"shipped", {"test_accuracy": 0.99}) == 1

    active = registry.active()
    assert (active.version, active.parent, active.status) == (1, None, "active")
    assert active.metrics["test_accuracy"] == 0.99
    assert registry.weights(1) == b"shipped"


def test_seeding_again_changes_nothing(registry):
    registry.seed(b"shipped", {})

    assert registry.seed(b"shipped", {}) == 1
    assert statuses(registry) == {1: "active"}


def at_once(actions: Sequence[Callable[[], int]]) -> list[int]:
    """Run all at the same moment, each in its thread; their results, or the first error."""
    start = threading.Barrier(len(actions), timeout=60)

    def run(action: Callable[[], int]) -> int:
        start.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def registries(database_url: URL, count: int) -> list[Registry]:
    """As many processes have them, each with an open connection."""
    found = [Registry(connect(database_url)) for _ in range(count)]
    for each in found:
        each.active()
    return found


def test_processes_that_seed_at_the_same_moment_make_one_version(database_url):
    processes = registries(database_url, 6)

    assert at_once([partial(each.seed, b"shipped", {}) for each in processes]) == [1] * 6
    assert statuses(processes[0]) == {1: "active"}


def test_a_release_replaces_a_network_that_nobody_has_taught(registry):
    registry.seed(b"shipped", {})

    assert registry.seed(b"better", {}) == 2

    assert statuses(registry) == {1: "retired", 2: "active"}
    assert registry.base().version == 2


def test_a_release_does_not_take_away_what_people_have_taught(registry):
    registry.seed(b"shipped", {})
    registry.promote(b"tuned", {}, parent=1, replaces=1, marks=[])

    registry.seed(b"better", {})

    assert statuses(registry) == {1: "retired", 2: "active", 3: "retired"}
    assert registry.base().version == 3


# --- promoting and rejecting


def test_promotion_swaps_the_active_version_and_marks_its_feedback(registry, repository, database_url):
    registry.seed(b"shipped", {})
    learned, disputed = labelled(repository), labelled(repository)

    version = registry.promote(
        b"tuned", {"why": "better"}, parent=1, replaces=1, marks=[mark(learned), mark(disputed, "disputed")]
    )

    assert statuses(registry) == {1: "retired", version: "active"}
    assert (registry.active().parent, registry.active().metrics) == (1, {"why": "better", "compared_with": 1})
    assert registry.weights(version) == b"tuned"
    assert row(database_url, learned) == (True, version, None)
    assert row(database_url, disputed) == (True, version, "disputed")
    assert registry.waiting() == 0


def test_a_rejected_candidate_is_kept_and_its_parent_goes_on_serving(registry, repository, database_url):
    registry.seed(b"shipped", {})
    drawing = labelled(repository)

    version = registry.reject(b"bad", {"why": "worse"}, parent=1, marks=[mark(drawing)])

    assert statuses(registry) == {1: "active", version: "rejected"}
    assert row(database_url, drawing) == (True, version, None)


def test_nothing_is_promoted_over_a_version_that_came_meanwhile(registry, repository, database_url):
    registry.seed(b"shipped", {})
    registry.promote(b"tuned", {}, parent=1, replaces=1, marks=[])
    drawing = labelled(repository)

    with pytest.raises(ActiveVersionChanged):
        registry.promote(b"late", {}, parent=1, replaces=1, marks=[mark(drawing)])

    assert statuses(registry) == {1: "retired", 2: "active"}
    assert row(database_url, drawing) == (False, None, None)


def test_versions_that_are_made_at_the_same_moment_get_numbers_of_their_own(database_url):
    processes = registries(database_url, 4)
    processes[0].seed(b"shipped", {})

    made = at_once([partial(each.reject, b"bad", {}, parent=1, marks=[]) for each in processes])

    assert sorted(made) == [2, 3, 4, 5]


def test_a_promotion_that_fails_half_way_changes_nothing(registry, repository, database_url):
    registry.seed(b"shipped", {})
    drawing = labelled(repository)

    class Breaks(list):
        def __iter__(self):
            yield mark(drawing)
            raise OSError("the machine went away")

    with pytest.raises(StorageUnavailable):
        registry.promote(b"tuned", {}, parent=1, replaces=1, marks=Breaks())

    assert statuses(registry) == {1: "active"}
    assert row(database_url, drawing) == (False, None, None)


def test_a_label_that_was_changed_during_the_run_waits_for_the_next(registry, repository, database_url):
    registry.seed(b"shipped", {})
    drawing = labelled(repository, 7)
    read = mark(drawing)
    repository.correct(drawing.id, 1)

    registry.promote(b"tuned", {}, parent=1, replaces=1, marks=[read])

    assert row(database_url, drawing) == (False, None, None)
    assert registry.waiting() == 1


def test_a_label_that_was_learned_or_set_aside_can_not_be_changed(registry, repository):
    registry.seed(b"shipped", {})
    drawings = [labelled(repository), labelled(repository)]
    registry.promote(b"t", {}, parent=1, replaces=1, marks=[mark(drawings[0]), mark(drawings[1], "disputed")])

    for drawing in drawings:
        with pytest.raises(AlreadyProcessed):
            repository.correct(drawing.id, 3)


def test_marks_of_many_rows_reach_every_one_of_them(registry, repository):
    registry.seed(b"shipped", {})
    drawings = [replace(labelled(repository, minute=0), id=uuid.uuid4()) for _ in range(1)]
    drawings += [replace(drawings[0], id=uuid.uuid4()) for _ in range(1_200)]
    repository.add_all(drawings)
    assert registry.waiting() == len(drawings) + 1

    registry.mark([mark(drawing, "blank") for drawing in drawings])

    assert registry.waiting() == 1


def test_marking_reads_no_other_rows(sqlite_url):
    registry = Registry(connect(sqlite_url))
    registry.seed(b"shipped", {})
    marking = []
    event.listen(
        registry._engine, "before_cursor_execute", lambda _, cursor, said, values, *more: marking.append((said, values))
    )
    registry.mark([Mark(uuid.uuid4(), NOON), Mark(uuid.uuid4(), NOON)])

    [(said, values)] = [each for each in marking if each[0].startswith("UPDATE predictions")]
    with registry._engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", values).all()
    assert "SEARCH predictions USING INDEX" in plan[0][3]


# --- going back


def test_rolling_back_serves_the_version_before_and_sets_aside_what_was_learned_since(
    registry, repository, database_url
):
    registry.seed(b"shipped", {})
    first, second = labelled(repository), labelled(repository)
    registry.promote(b"two", {}, parent=1, replaces=1, marks=[mark(first)])
    registry.promote(b"three", {}, parent=1, replaces=2, marks=[mark(second)])

    assert registry.roll_back().version == 2

    assert statuses(registry) == {1: "retired", 2: "active", 3: "retired"}
    assert row(database_url, first) == (True, 2, None)
    assert row(database_url, second) == (True, 3, "rolled_back")


def test_rolling_back_skips_rejected_versions_and_can_be_undone(registry, repository, database_url):
    registry.seed(b"shipped", {})
    registry.reject(b"bad", {}, parent=1, marks=[])
    drawing = labelled(repository)
    registry.promote(b"three", {}, parent=1, replaces=1, marks=[mark(drawing)])

    assert registry.roll_back().version == 1
    assert registry.roll_back(3).version == 3

    assert statuses(registry) == {1: "retired", 2: "rejected", 3: "active"}
    assert row(database_url, drawing) == (True, 3, None)


def test_going_back_from_a_second_try_does_not_serve_the_first_again(registry, repository, database_url):
    registry.seed(b"shipped", {})
    bad = labelled(repository)
    registry.promote(b"two", {}, parent=1, replaces=1, marks=[mark(bad)])
    registry.roll_back()
    registry.promote(b"three", {}, parent=1, replaces=1, marks=[])

    assert registry.roll_back().version == 1

    assert row(database_url, bad) == (True, 2, "rolled_back")


def test_what_was_taken_back_stays_so_when_later_versions_are_served(registry, repository, database_url):
    registry.seed(b"shipped", {})
    good, bad, later, latest = (labelled(repository) for _ in range(4))
    registry.promote(b"two", {}, parent=1, replaces=1, marks=[mark(good)])
    registry.promote(b"three", {}, parent=1, replaces=2, marks=[mark(bad)])
    registry.roll_back()
    registry.promote(b"four", {}, parent=1, replaces=2, marks=[mark(later)])
    registry.promote(b"five", {}, parent=1, replaces=4, marks=[mark(latest)])

    for to in (4, 4, 5, 4):
        registry.roll_back(to)

    assert row(database_url, good) == (True, 2, None)
    assert row(database_url, bad) == (True, 3, "rolled_back")
    assert row(database_url, later) == (True, 4, None)
    assert row(database_url, latest) == (True, 5, "rolled_back")


def test_serving_what_was_taken_back_sets_aside_what_took_its_place(registry, repository, database_url):
    registry.seed(b"shipped", {})
    first, second = labelled(repository), labelled(repository)
    registry.promote(b"two", {}, parent=1, replaces=1, marks=[mark(first)])
    registry.roll_back()
    registry.promote(b"three", {}, parent=1, replaces=1, marks=[mark(second)])

    registry.roll_back(2)
    assert (row(database_url, first), row(database_url, second)) == ((True, 2, None), (True, 3, "rolled_back"))

    registry.roll_back(3)
    assert (row(database_url, first), row(database_url, second)) == ((True, 2, "rolled_back"), (True, 3, None))


def test_going_back_to_a_release_leaves_what_was_learned_before_it(registry, repository, database_url):
    registry.seed(b"shipped", {})
    before, after = labelled(repository), labelled(repository)
    registry.promote(b"two", {}, parent=1, replaces=1, marks=[mark(before)])
    registry.seed(b"release", {})
    registry.promote(b"four", {}, parent=3, replaces=2, marks=[mark(after)])

    registry.roll_back(3)

    assert row(database_url, before) == (True, 2, None)
    assert row(database_url, after) == (True, 4, "rolled_back")


def test_going_back_passes_a_release_that_nobody_was_served(registry):
    registry.seed(b"shipped", {})
    registry.promote(b"two", {}, parent=1, replaces=1, marks=[])
    registry.seed(b"release", {})
    registry.promote(b"four", {}, parent=3, replaces=2, marks=[])

    assert registry.roll_back().version == 2


def test_going_back_leaves_the_labels_of_a_rejected_candidate_to_the_next_run(registry, repository, database_url):
    registry.seed(b"shipped", {})
    registry.promote(b"two", {}, parent=1, replaces=1, marks=[])
    drawing = labelled(repository)
    registry.reject(b"three", {}, parent=1, marks=[mark(drawing)])

    registry.roll_back()

    assert row(database_url, drawing) == (True, 3, None)


def test_rolling_back_leaves_what_a_person_has_decided(registry, repository, database_url):
    registry.seed(b"shipped", {})
    drawing = labelled(repository)
    version = registry.promote(b"two", {}, parent=1, replaces=1, marks=[mark(drawing)])
    registry.review(drawing.id, accept=True)

    registry.roll_back()

    assert row(database_url, drawing) == (True, version, None)


@pytest.mark.parametrize("to", [None, 2, 9])
def test_there_is_no_going_back_to_what_was_never_served(registry, to):
    registry.seed(b"shipped", {})
    registry.reject(b"bad", {}, parent=1, marks=[])

    with pytest.raises(NoSuchVersion):
        registry.roll_back(to)

    assert statuses(registry) == {1: "active", 2: "rejected"}


# --- feedback


def test_feedback_comes_waiting_first(registry, repository):
    registry.seed(b"shipped", {})
    old, older = labelled(repository, minute=1), labelled(repository, minute=0)
    registry.promote(b"t", {}, parent=1, replaces=1, marks=[mark(old), mark(older)])
    new, newer = labelled(repository, minute=2), labelled(repository, None, minute=3)
    number = labelled(repository, None, minute=4, true_number="2026")
    labelled(repository, None, labelled_at=None)

    found = list(registry.feedback(limit=10))

    assert [each.id for each in found] == [new.id, newer.id, number.id, old.id, older.id]
    assert [each.is_processed for each in found] == [False, False, False, True, True]
    assert [each.true_label for each in found] == [7, None, None, 7, 7]
    assert [each.true_number for each in found] == [None, None, "2026", None, None]
    assert registry.waiting() == 3
    assert registry.waiting(at_most=2) == 2  # "or more"


def flood(registry: Registry, repository: Repository) -> tuple[set[uuid.UUID], list[Drawing], set[uuid.UUID]]:
    """50 honest labels that were learned or held out, 60 of one person after them, and 10 honest new ones."""
    registry.seed(b"shipped", {})
    honest = [labelled(repository, minute=minute) for minute in range(50)]
    marks = [mark(each, "held_out" if place % 5 == 0 else None) for place, each in enumerate(honest)]
    registry.promote(b"t", {}, parent=1, replaces=1, marks=marks)
    same = [labelled(repository, minute=minute, session_id="one") for minute in range(50, 110)]
    new = [labelled(repository, minute=minute) for minute in range(110, 120)]
    return {each.id for each in honest}, same, {each.id for each in new}


def test_many_labels_that_were_set_aside_keep_no_run_from_the_believed_ones(registry, repository):
    honest, same, new = flood(registry, repository)
    registry.mark([mark(each, "duplicate") for each in same])

    read = [each.id for each in registry.feedback(limit=70)]

    assert set(read[:10]) == new
    assert set(read[10:60]) == honest
    assert read[60:] == [each.id for each in same[:-11:-1]]  # as far as there is room, the latest


def test_many_labels_that_wait_keep_no_run_from_the_believed_ones(registry, repository):
    honest, same, new = flood(registry, repository)

    read = [each.id for each in registry.feedback(limit=100)]
    registry.mark([mark(each, "duplicate") for each in same if each.id in read])

    assert len(read) == 100
    assert read[:50] == [each.id for each in same[:50]]
    assert set(read[50:]) == honest
    assert honest | new <= {each.id for each in registry.feedback(limit=100)}  # the others wait for the next run


def test_a_label_that_is_changed_while_it_is_read_comes_once(registry, repository):
    registry.seed(b"shipped", {})
    first = labelled(repository)
    repository.add_all([replace(first, id=uuid.uuid4(), labelled_at=NOON + timedelta(days=1)) for _ in range(600)])
    reading = registry.feedback(10_000)

    read = [next(reading)]
    repository.correct(first.id, 1)
    read += reading

    assert read[0].id == first.id
    assert len({each.id for each in read}) == len(read) == 601


def test_feedback_is_read_to_its_limit_across_chunks(registry, repository, monkeypatch):
    monkeypatch.setattr("mnist.storage.AT_ONCE", 200)
    template = labelled(repository)
    repository.add_all([replace(template, id=uuid.uuid4()) for _ in range(1_100)])

    assert len({each.id for each in registry.feedback(limit=5_000)}) == 1_101
    assert len(list(registry.feedback(limit=700))) == 700


def test_only_a_portion_of_the_photos_is_in_memory_at_a_time(sqlite_url):
    engine = connect(sqlite_url)
    template = labelled(Repository(engine), image=bytes(2**20))
    Repository(engine).add_all([replace(template, id=uuid.uuid4()) for _ in range(19)])

    with allocated() as most:
        assert sum(len(each.image) for each in Registry(engine).feedback(limit=100)) == 20 * 2**20
        assert 4 * 2**20 < most() < 7 * 2**20  # a portion, and not the one before it as well
    engine.dispose()


def test_ordinary_drawings_are_read_in_few_statements(registry, repository):
    template = labelled(repository, image=bytes(3_000))
    repository.add_all([replace(template, id=uuid.uuid4()) for _ in range(1_000)])
    list(registry.feedback(limit=1))

    with statements("SELECT") as sent:
        assert len(list(registry.feedback(limit=5_000))) == 1_001

    assert len(sent) <= 5


def test_a_person_can_see_which_version_learned_from_them(registry, repository):
    registry.seed(b"shipped", {})
    mine, disputed, theirs = (
        labelled(repository),
        labelled(repository),
        labelled(repository, session_id="someone else"),
    )
    assert registry.contribution("a visitor") is None

    version = registry.promote(
        b"t", {}, parent=1, replaces=1, marks=[mark(mine), mark(theirs), mark(disputed, "disputed")]
    )

    assert registry.contribution("a visitor") == Contribution(version, labels=1)
    registry.roll_back()
    assert registry.contribution("a visitor") is None


def test_what_was_learned_by_a_rejected_candidate_only_is_nobodys_contribution(registry, repository):
    registry.seed(b"shipped", {})
    drawing = labelled(repository)
    registry.reject(b"bad", {}, parent=1, marks=[mark(drawing)])

    assert registry.contribution("a visitor") is None


def test_a_persons_review_holds_against_later_runs(registry, repository, database_url):
    registry.seed(b"shipped", {})
    trusted, revoked, waiting = labelled(repository), labelled(repository), labelled(repository)
    registry.promote(b"t", {}, parent=1, replaces=1, marks=[mark(trusted, "disputed"), mark(revoked)])

    registry.review(trusted.id, accept=True)
    registry.review(revoked.id, accept=False)
    registry.mark([mark(trusted, "disputed"), mark(revoked)])

    assert row(database_url, trusted) == (True, None, None)
    assert row(database_url, revoked) == (True, 2, "revoked")
    assert registry.contribution("a visitor") is None
    registry.promote(b"u", {}, parent=1, replaces=2, marks=[Mark(trusted.id, trusted.labelled_at, None, reviewed=True)])
    assert registry.contribution("a visitor") == Contribution(3, labels=1)
    with pytest.raises(UnknownPrediction):
        registry.review(waiting.id, accept=True)


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
    registry, repository, database_url
):
    registry.seed(b"shipped", {})
    learned, held_out = labelled(repository), labelled(repository)
    registry.promote(b"two", {}, parent=1, replaces=1, marks=[mark(learned), mark(held_out)])
    relabel(database_url, learned, 3, minute=50)
    relabel(database_url, held_out, 3, minute=50)
    read = {each.id: each for each in registry.feedback(limit=10)}
    assert [(each.true_label, each.is_processed, each.reviewed) for each in read.values()] == [(3, False, True)] * 2

    marks = [
        Mark(learned.id, read[learned.id].labelled_at, None, reviewed=True),
        Mark(held_out.id, read[held_out.id].labelled_at, "held_out", reviewed=True),
    ]
    registry.promote(b"three", {}, parent=1, replaces=2, marks=marks)

    assert registry.waiting() == 0
    assert row(database_url, learned) == (True, 3, None)
    assert row(database_url, held_out) == (True, 3, "held_out")


def test_what_an_administrator_does_during_a_run_holds_against_its_marks(registry, repository, database_url):
    registry.seed(b"shipped", {})
    relabelled, twice, revoked = labelled(repository), labelled(repository), labelled(repository)
    relabel(database_url, twice, 3, minute=50)
    relabel(database_url, revoked, 3, minute=50)
    marks = [Mark(each.id, each.labelled_at, None, each.reviewed) for each in registry.feedback(limit=10)]
    registry.mark([Mark(revoked.id, NOON + timedelta(minutes=50), None, reviewed=True)])

    relabel(database_url, relabelled, 4, minute=0)  # even if the time of the label stayed what it was
    relabel(database_url, twice, 4, minute=51)
    registry.review(revoked.id, accept=False)
    registry.promote(b"two", {}, parent=1, replaces=1, marks=marks)

    assert row(database_url, relabelled) == (False, None, None)
    assert row(database_url, twice) == (False, None, None)
    assert row(database_url, revoked) == (True, None, "revoked")


def test_a_database_that_is_away_is_told_in_one_exception():
    nowhere = Registry(connect(URL.create("postgresql+psycopg2", "someone", "secret", "127.0.0.1", 9, "mnist")))

    with pytest.raises(StorageUnavailable):
        nowhere.active_number()
