"""What a run reads of the labels in a database, and which of them it may learn."""

import uuid
from collections import defaultdict
from dataclasses import replace

import pytest

from mnist.drawing import IMPORTED
from mnist.retraining.examples import Example, ExampleSet, is_held_out
from mnist.retraining.quarantine import Caps
from mnist.retraining.run import Shipped, rehearse, retrain
from mnist.store.administration import Administration
from mnist.store.secret import Secret
from tests.support import lessons
from tests.support.lessons import Silent, drawings, give, sevens, visitors

KEY = bytes(32)


def label_of(person: str, **more) -> Example:
    return Example(uuid.uuid4(), 0, person, 7, "7", lessons.NOON, None, False, None, False, None, **more)


def of_the_exam(engine) -> str:
    """A session that is held out in this database."""
    key = Secret(engine).key()
    return next(name for name in map(str, range(99)) if is_held_out(label_of(name), key))


@pytest.fixture
def database_url(sqlite_url):
    return sqlite_url


@pytest.fixture(autouse=True)
def the_same_lots(request):
    if "engine" in request.fixturenames:
        lessons.draw_the_same_lots(request.getfixturevalue("engine"))


def claimed(engine, limits=lessons.LIMITS) -> ExampleSet:
    shipped = Shipped(lessons.shipped(), {})
    return rehearse(engine, shipped, lessons.replay_data, limits, Silent())[1]


def verdicts(examples: ExampleSet) -> dict[str, set[str | None]]:
    """By person."""
    found = defaultdict(set)
    for example in examples.examples:
        found[example.person].add(example.set_aside)
    return found


def test_a_fifth_of_the_people_is_held_out_with_all_that_they_draw(engine, repository):
    pictures = [picture for seed in range(20, 23) for picture in sevens(40, seed=seed)]
    give(repository, pictures, [7] * 120, visitors(120, people=40))

    first = verdicts(claimed(engine))
    give(repository, sevens(40, seed=24), [7] * 40, visitors(40, people=40))
    later = verdicts(claimed(engine))

    examined = {person for person, found in first.items() if "held_out" in found}
    assert 3 <= len(examined) <= 14
    assert all(None not in first[person] for person in examined)
    assert {person for person, found in later.items() if "held_out" in found} == examined


def test_of_labels_without_a_name_each_is_drawn_for_the_exam_by_itself():
    nameless = [
        Example(uuid.UUID(int=n), 0, "", 7, "7", lessons.NOON, None, False, None, False, None) for n in range(200)
    ]

    assert 20 <= sum(is_held_out(each, KEY) for each in nameless) <= 60


def test_nobody_outside_can_foresee_who_sits_in_the_exam():
    sessions = [label_of(str(number)) for number in range(100)]
    mine, theirs = ([is_held_out(each, key) for each in sessions] for key in (KEY, bytes([1] * 32)))

    assert mine == [is_held_out(each, KEY) for each in sessions]
    assert 20 <= sum(a != b for a, b in zip(mine, theirs, strict=True)) <= 45


def test_labels_that_block_a_candidate_wait_for_a_review_unless_a_person_decided():
    open_, decided = label_of("a"), replace(label_of("b"), is_reviewed=True)
    examples = ExampleSet([open_, decided], lessons.frames([], 0))

    [mark] = examples.with_blocked([], [0, 1])

    assert (mark.id, mark.set_aside) == (open_.id, "disputed")


def test_what_is_held_out_or_practised_on_is_never_tuned_on(engine, repository, monkeypatch):
    lessons.widen(monkeypatch)
    give(repository, [*sevens(60), *sevens(60, seed=6)], [7] * 120, visitors(120, people=60))
    seen = {}

    def tune(base, feedback, *rest, **more):
        seen["tuned"] = {frame.tobytes() for frame in feedback.frames.numpy()}
        return base

    def choose_alpha(base, tuned, calibration, practice, *rest):
        seen["practice"] = {frame.tobytes() for frame in practice.frames.numpy()}
        return base, calibration, 0.0

    monkeypatch.setattr("mnist.retraining.run.tune", tune)
    monkeypatch.setattr("mnist.retraining.run.choose_alpha", choose_alpha)
    examples = claimed(engine)
    held_out = {frame.tobytes() for frame in examples.take(examples.held_out).frames.numpy()}

    retrain(
        engine, Shipped(lessons.shipped(), {}), lessons.replay_data, lessons.LIMITS, Silent()
    )  # candidate and base are one and the same: rejected

    assert held_out
    assert seen["practice"]
    assert seen["tuned"]
    assert not held_out & (seen["tuned"] | seen["practice"])
    assert not seen["practice"] & seen["tuned"]
    assert len(seen["practice"] | seen["tuned"]) == len(examples.learned)


def test_wrong_labels_do_not_sit_in_the_exam(engine, repository):
    wrong = drawings(10, 41, 0)
    sitter = of_the_exam(engine)
    give(repository, wrong, lessons.wrong_labels(wrong), [sitter] * 10)
    give(repository, drawings(5, 45, 1), [1] * 5, [sitter] * 5)

    examples = claimed(engine)

    assert [example.set_aside for example in examples.examples[:10]] == ["disputed"] * 10
    assert examples.examples[-1].set_aside == "held_out"


def test_the_caps_of_the_settings_hold(engine, repository):
    pictures = [*drawings(8, 41, 0), *drawings(8, 41, 1)]
    give(repository, pictures, [0] * 8 + [1] * 8, ["eager"] * 8 + visitors(8))
    limits = replace(lessons.LIMITS, caps=Caps(per_session=3, per_label=5))

    rehearsed = claimed(engine, limits)
    run = retrain(engine, Shipped(lessons.shipped(), {}), lessons.replay_data, limits, Silent(), lessons.RECIPE)

    assert verdicts(rehearsed)["eager"] == {None, "session_cap"}
    assert rehearsed.counts(0)["set_aside"]["session_cap"] == run.set_aside["session_cap"] == 5
    assert run.set_aside["label_cap"] > 0


def test_what_an_administrator_imports_is_believed_whatever_the_caps(engine, repository):
    give(repository, sevens(1), [7], ["a visitor"])
    [example] = repository.recent(limit=1)
    brought = [
        replace(
            example, id=uuid.uuid5(uuid.NAMESPACE_OID, str(number)), image=picture, source=IMPORTED, session_id=None
        )
        for number, picture in enumerate(drawings(12, 42, 1))  # 1s that are called 7s
    ]
    Administration(engine).add_new(brought)

    examples = claimed(engine, replace(lessons.LIMITS, caps=Caps(per_session=3, per_label=5)))

    fates = [each.set_aside for each in examples.examples if not each.person]
    assert len(fates) == 12
    assert set(fates) == {None, "held_out"}


def test_no_more_labels_are_read_than_a_run_may_take_on(engine, repository):
    give(repository, sevens(12), [7] * 12, visitors(12))

    assert len(claimed(engine, replace(lessons.LIMITS, most_rows=9)).examples) == 9


@pytest.mark.parametrize("found", [("disputed", "session_cap"), ("session_cap", "disputed")])
def test_a_number_of_which_one_digit_is_disputed_is_disputed_whatever_else_is_wrong(
    engine, repository, monkeypatch, found
):
    give(repository, [lessons.side_by_side(*drawings(1, 47, 0), *drawings(1, 48, 1))], ["01"], ["a visitor"])
    monkeypatch.setattr("mnist.retraining.quarantine.filter_labels", lambda *_: list(found))

    assert [example.set_aside for example in claimed(engine).examples] == ["disputed"] * 2


@pytest.mark.parametrize(("was", "reviewed", "written"), [
    ("rolled_back", False, 0), ("revoked", False, 0), (None, True, 0), (None, False, 1), ("disputed", False, 1),
])  # fmt: skip
def test_what_a_person_decided_is_not_written_over(was, reviewed, written):
    judged = Example(uuid.UUID(int=1), 0, "a visitor", 7, "7", lessons.NOON, 2, True, was, reviewed, "session_cap")
    examples = ExampleSet([judged], lessons.frames([], 0))

    marks, new = examples.marks({2})

    assert (len(marks), new) == (written, 0)
