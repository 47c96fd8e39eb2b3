"""Versions and marks, on SQLite, on a real PostgreSQL and on a real MariaDB."""

import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import URL, create_engine, text

from mnist.drawing import Drawing, StorageUnavailable
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.labels import Mark
from mnist.store.model_registry import ActiveVersionChanged, NoSuchVersion, Registry

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


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


def test_promotion_swaps_the_active_version_and_marks_its_feedback(registry, labels, repository, database_url):
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
    assert labels.waiting() == 0


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


def test_a_label_that_was_changed_during_the_run_waits_for_the_next(registry, labels, repository, database_url):
    registry.seed(b"shipped", {})
    drawing = labelled(repository, 7)
    read = mark(drawing)
    repository.correct(drawing.id, 1)

    registry.promote(b"tuned", {}, parent=1, replaces=1, marks=[read])

    assert row(database_url, drawing) == (False, None, None)
    assert labels.waiting() == 1


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


def test_rolling_back_leaves_what_a_person_has_decided(registry, administration, repository, database_url):
    registry.seed(b"shipped", {})
    drawing = labelled(repository)
    version = registry.promote(b"two", {}, parent=1, replaces=1, marks=[mark(drawing)])
    administration.review(drawing.id, accept=True)

    registry.roll_back()

    assert row(database_url, drawing) == (True, version, None)


@pytest.mark.parametrize("to", [None, 2, 9])
def test_there_is_no_going_back_to_what_was_never_served(registry, to):
    registry.seed(b"shipped", {})
    registry.reject(b"bad", {}, parent=1, marks=[])

    with pytest.raises(NoSuchVersion):
        registry.roll_back(to)

    assert statuses(registry) == {1: "active", 2: "rejected"}


def test_a_database_that_is_away_is_told_in_one_exception():
    nowhere = Registry(connect(URL.create("postgresql+psycopg2", "someone", "secret", "127.0.0.1", 9, "mnist")))

    with pytest.raises(StorageUnavailable):
        nowhere.active_number()
