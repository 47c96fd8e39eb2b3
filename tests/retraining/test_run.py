"""Runs of the retraining on three databases, two of them real servers, in a small world that draws its own images."""

import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sqlalchemy import text, update

from mnist.model.network import DigitNetwork
from mnist.model.weights_file import read_weights, write_weights
from mnist.retraining.fine_tuning import interpolate, tune
from mnist.retraining.gate import read_right
from mnist.retraining.run import Shipped, rehearse, retrain
from mnist.store.administration import Administration
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.labels import Labels
from mnist.store.locks import AnotherRun, run_lock
from mnist.store.model_registry import Registry
from mnist.store.tables import PredictionRow
from mnist.vision.image_files import decode, encode_png
from tests.support import lessons
from tests.support.lessons import Silent, drawings, give, sevens, visitors

ROOT = Path(__file__).resolve().parent.parent.parent


class House:
    def __init__(self, url):
        self.engine = connect(url)
        lessons.draw_the_same_lots(self.engine)
        self.registry, self.repository = Registry(self.engine), Repository(self.engine)
        self.labels = Labels(self.engine)
        self.shipped = Shipped(lessons.shipped(), {})

    def run(self, tell=None, load_replay_data=lessons.replay_data):
        tell = tell or Silent()
        return retrain(self.engine, self.shipped, load_replay_data, lessons.LIMITS, tell, lessons.RECIPE)

    def active(self):
        return self.registry.active().version

    def reads(self, pictures, digit):
        network, _ = read_weights(self.registry.weights(self.active()))
        return read_right(network, lessons.frames(pictures, digit)).double().mean().item()

    def standing(self):
        """(processed, processed_by, set_aside) of every row."""
        query = text("SELECT feedback_processed, processed_by, set_aside FROM predictions ORDER BY labelled_at, id")
        with self.engine.connect() as connection:
            return [(bool(processed), by, why) for processed, by, why in connection.execute(query)]


@pytest.fixture(autouse=True)
def a_small_exam(monkeypatch):
    lessons.widen(monkeypatch)


@pytest.fixture
def house(database_url):
    house = House(database_url)
    yield house
    house.engine.dispose()


@pytest.fixture
def sqlite_house(sqlite_url):
    house = House(sqlite_url)
    yield house
    house.engine.dispose()


def test_corrections_by_many_people_become_the_version_that_serves(house):
    give(house.repository, sevens(60), [7] * 60, visitors(60))
    unseen = sevens(60, seed=6)

    outcome = house.run()

    assert (outcome.outcome, outcome.version, house.active()) == ("promoted", 2, 2), outcome.why
    assert house.reads(unseen, 7) > 0.6
    assert outcome.after["user_drawn"] > outcome.before["user_drawn"] + 0.4
    assert outcome.after["mnist_validation"] > outcome.before["mnist_validation"] - 0.2
    assert 0 < outcome.held_out < 60
    learned = [row for row in house.standing() if row == (True, 2, None)]
    assert len(learned) == outcome.rows == 60 - outcome.held_out - sum(outcome.set_aside.values())
    assert outcome.corrections == outcome.rows  # they were told that each is a 1
    assert f"v2: {outcome.rows} labels, {outcome.rows} of them corrections, from {outcome.people}" in outcome.summary
    assert outcome.summary.endswith("promoted.")
    metrics = house.registry.active().metrics
    assert (metrics["rows"], metrics["compared_with"], metrics["after"]) == (outcome.rows, 1, outcome.after)


def test_there_is_nothing_to_do_with_few_labels_or_none_and_mnist_is_not_asked_for(house):
    def no_mnist():
        raise AssertionError("MNIST was loaded for nothing")

    assert house.run(load_replay_data=no_mnist).outcome == "nothing_to_do"
    give(house.repository, sevens(4), [7] * 4, visitors(4))

    outcome = house.run(load_replay_data=no_mnist)

    assert (outcome.outcome, house.active()) == ("nothing_to_do", 1)
    assert "4 new labels" in outcome.summary
    assert house.labels.waiting() == 4


def test_labels_that_no_network_can_gain_from_promote_nothing(sqlite_house):
    rows = [(picture, digit) for digit in (0, 1, 3) for picture in drawings(8, 40, digit)]
    right = [row for row in rows if lessons.base() and _reads(row)]
    give(
        sqlite_house.repository, [picture for picture, _ in right], [digit for _, digit in right], visitors(len(right))
    )

    outcome = sqlite_house.run()

    assert (outcome.outcome, sqlite_house.active()) == ("rejected", 1)
    assert "no more of the feedback" in outcome.summary
    assert [version.status for version in sqlite_house.registry.versions()] == ["rejected", "active"]
    assert sqlite_house.labels.waiting() == 0


def _reads(row):
    return bool(read_right(lessons.base(), lessons.frames([row[0]], row[1])).item())


def test_only_wrong_labels_change_nothing_but_their_mark(house):
    wrong = drawings(20, 41, 0)
    give(house.repository, wrong, lessons.wrong_labels(wrong), ["a vandal"] * 20)

    outcome = house.run()

    assert (outcome.outcome, house.active()) == ("nothing_to_do", 1)
    assert outcome.set_aside["disputed"] == 20
    assert house.labels.waiting() == 0
    assert len(house.registry.versions()) == 1


def test_a_rejected_candidates_labels_are_learned_by_the_next_version(sqlite_house, monkeypatch):
    give(sqlite_house.repository, sevens(40), [7] * 40, visitors(40))
    with monkeypatch.context() as patch:
        patch.setattr("mnist.retraining.gate.failures", lambda *sheets: ["MNIST falls"])
        assert sqlite_house.run().outcome == "rejected"
    give(sqlite_house.repository, sevens(20, seed=8), [7] * 20, visitors(20))

    outcome = sqlite_house.run()

    assert (outcome.outcome, outcome.version) == ("promoted", 3), outcome.why
    assert outcome.rows > 30
    assert {by for _, by, why in sqlite_house.standing() if why is None} == {3}


def test_labels_that_block_a_candidate_go_to_the_review_queue(sqlite_house, monkeypatch):
    forgetful = interpolate(lessons.base(), lessons.base(), 0.0)
    with torch.no_grad():
        forgetful.layers.head.bias.copy_(torch.eye(11)[7] * 50)  # says 7 to everything
    monkeypatch.setattr("mnist.retraining.run.tune", lambda *_, **__: forgetful)
    held_out = give(sqlite_house.repository, drawings(8, 44, 0), [0] * 8, ["visitor 7"] * 8)
    give(sqlite_house.repository, sevens(20), [7] * 20, [f"visitor {number % 5}" for number in range(20)])

    outcome = sqlite_house.run()

    assert (outcome.outcome, outcome.blocked_by) == ("rejected", 1)
    assert any("held-out feedback gets worse" in why and why.endswith("by 1 session") for why in outcome.why)
    waiting = {str(drawing.id) for drawing in Administration(sqlite_house.engine).to_review(limit=50)}
    assert len(outcome.no_longer_read) >= 5
    assert set(outcome.no_longer_read) <= waiting & {str(each) for each in held_out}


def test_a_label_that_comes_during_the_run_waits_for_the_next(sqlite_house):
    give(sqlite_house.repository, sevens(40), [7] * 40, visitors(40))
    late = lambda: give(sqlite_house.repository, sevens(3, seed=9), [7] * 3, visitors(3))  # noqa: E731

    assert sqlite_house.run(Silent(learning=late)).outcome == "promoted"

    assert sqlite_house.labels.waiting() == 3
    assert Counter(processed for processed, _, _ in sqlite_house.standing()) == {True: 40, False: 3}


def test_what_was_rolled_back_is_not_learned_again(sqlite_house):
    give(sqlite_house.repository, sevens(40), [7] * 40, visitors(40))
    sqlite_house.run()
    sqlite_house.registry.roll_back()
    some = [picture for digit in (0, 1) for picture in drawings(6, 42, digit)]
    give(sqlite_house.repository, some, [0] * 6 + [1] * 6, visitors(12))

    outcome = sqlite_house.run()

    assert outcome.rows <= 12
    assert sum(why == "rolled_back" for _, _, why in sqlite_house.standing()) > 20


def test_a_persons_review_goes_above_the_programs_doubt(sqlite_house):
    wrong = drawings(10, 41, 0)
    [odd, *_] = ids = give(sqlite_house.repository, wrong, lessons.wrong_labels(wrong), ["a visitor"] * 10)
    sqlite_house.run()
    assert {why for _, _, why in sqlite_house.standing()} == {"disputed"}

    Administration(sqlite_house.engine).review(odd, accept=True)
    _, examples = rehearse(sqlite_house.engine, sqlite_house.shipped, lessons.replay_data, lessons.LIMITS, Silent())

    standing = {example.id: example.set_aside for example in examples.examples}
    assert standing[odd] is None
    assert {standing[each] for each in ids[1:]} == {"disputed"}
    marks, new = examples.marks({1})
    assert ([mark.id for mark in marks], new) == ([odd], 1)


def test_a_label_that_an_administrator_changed_is_learned_once_and_waits_no_longer(house):
    ids = give(house.repository, sevens(40), [7] * 40, visitors(40))
    house.run()
    learned = {each.id for each in house.labels.read(100) if each.set_aside is None}
    anew = next(each for each in ids if each in learned)
    changes = {"reviewed": True, "feedback_processed": False, "processed_by": None, "set_aside": None}
    changes |= {"true_label": 1, "labelled_at": lessons.NOON + timedelta(days=9)}
    with house.engine.begin() as connection:
        connection.execute(update(PredictionRow).where(PredictionRow.id == anew).values(changes))
    give(house.repository, sevens(20, seed=8), [7] * 20, visitors(20))

    outcome = house.run()

    [after] = [each for each in house.labels.read(100) if each.id == anew]
    assert (after.is_processed, after.processed_by, after.set_aside) == (True, outcome.version, None)
    assert (after.true_label, after.reviewed, house.labels.waiting()) == (1, True, 0)
    _, examples = rehearse(house.engine, house.shipped, lessons.replay_data, lessons.LIMITS, Silent())
    assert anew in {examples.examples[row].id for row in examples.learned}
    served = {version.version for version in house.registry.versions() if version.status != "rejected"}
    if outcome.outcome == "promoted":
        assert examples.marks(served) == ([], 0)


def test_blank_pictures_and_what_is_no_digit_are_left_out(sqlite_house):
    blank, broken = sevens(1)[0][:40], b"not a picture"
    give(sqlite_house.repository, [*sevens(40), blank, broken], [7] * 42, visitors(42))
    give(sqlite_house.repository, drawings(2, 43, 0), [None] * 2, visitors(2))

    outcome = sqlite_house.run()

    assert (outcome.set_aside["blank"], outcome.set_aside["not_a_digit"]) == (2, 2)


def test_a_whole_number_is_learned_digit_by_digit_and_marked_once(sqlite_house):
    seen, ones = sevens(40), drawings(40, 46, 1)
    numbers = [lessons.side_by_side(one, seven) for one, seven in zip(ones, seen, strict=True)]
    give(sqlite_house.repository, numbers, ["17"] * 40, visitors(40))

    outcome = sqlite_house.run()

    assert outcome.outcome == "promoted", outcome.why
    assert outcome.rows == outcome.numbers == 40 - outcome.held_out - sum(outcome.set_aside.values())
    assert outcome.rows > 20
    assert f"of them corrections ({outcome.rows} of whole numbers), from" in outcome.summary
    assert sqlite_house.standing().count((True, outcome.version, None)) == outcome.rows
    assert sqlite_house.labels.waiting() == 0
    assert sqlite_house.reads(sevens(60, seed=6), 7) > 0.6


def test_a_number_is_believed_as_a_whole_or_not_at_all(sqlite_house):
    zeros, ones = drawings(30, 47, 0), drawings(30, 48, 1)
    pairs = [lessons.side_by_side(*pair) for pair in zip(zeros, ones, strict=True)]
    wrong = [f"0{label}" for label in lessons.wrong_labels(ones[:2])]
    three = np.array(
        decode(lessons.side_by_side(zeros[3], ones[3], zeros[4]))
    )  # two of them touch, and so two are seen
    height, width = three.shape[:2]
    pairs[3] = encode_png(cv2.line(three, (width // 5, height // 2), (width // 2, height // 2), (255,) * 4, 9))
    labels = [*wrong, "012", "01", "01" * 6, *["01"] * 25]  # two digits can be cut into three, not into twelve
    ids = give(sqlite_house.repository, pairs, labels, ["vandal", "vandal", *visitors(28)])

    sqlite_house.registry.seed(b"an earlier release, which a run would not start from", {})
    outcome, examples = rehearse(
        sqlite_house.engine, sqlite_house.shipped, lessons.replay_data, lessons.LIMITS, Silent()
    )

    standing = {example.id: set() for example in examples.examples}
    for example in examples.examples:
        standing[example.id].add(example.set_aside)
    assert [standing[each] for each in ids[:5]] == [*[{"disputed"}] * 4, {"not_parted"}]
    assert all(len(verdicts) == 1 for verdicts in standing.values())
    assert examples.take(examples.learned).labels.tolist() == [0, 1] * outcome.rows
    assert len(examples.marks({1})[0]) == 30


def test_a_rehearsal_changes_nothing(house):
    give(house.repository, sevens(20), [7] * 20, visitors(20))

    outcome, examples = rehearse(house.engine, house.shipped, lessons.replay_data, lessons.LIMITS, Silent())

    assert (outcome.outcome, outcome.rows) == ("dry_run", len(examples.learned))
    assert outcome.rows > 5
    assert house.registry.versions() == []
    assert set(house.standing()) == {(False, None, None)}


def test_a_second_run_is_turned_away(house):
    with run_lock(house.engine), pytest.raises(AnotherRun):
        house.run()


# --- what a run starts from, and what it is compared with


def taught(house) -> int:
    """A version that has learned sevens becomes active, without a label in the database."""
    tuned = tune(lessons.base(), lessons.frames(sevens(40), 7), lessons.replay_data(), lessons.RECIPE, seed=0)
    return house.registry.promote(write_weights(tuned, lessons.CALIBRATION), {}, parent=1, replaces=1, marks=[])


def learn_nothing(monkeypatch) -> list[DigitNetwork]:
    """Have every run propose the network that it starts from; returns these."""
    bases = []

    def tune(base, *rest, **more):
        bases.append(base)
        return base

    monkeypatch.setattr("mnist.retraining.run.tune", tune)
    return bases


def test_a_run_starts_from_the_base_and_is_compared_with_the_active_version(sqlite_house, monkeypatch):
    bases = learn_nothing(monkeypatch)
    sqlite_house.registry.seed(sqlite_house.shipped.weights, {})
    assert taught(sqlite_house) == 2
    give(sqlite_house.repository, sevens(40, seed=6), [7] * 40, visitors(40))

    outcome = sqlite_house.run()

    [base] = bases
    for name, tensor in lessons.base().state_dict().items():
        assert torch.equal(tensor, base.state_dict()[name]), name
    assert outcome.before["user_drawn"] > outcome.after["user_drawn"] + 0.4
    assert (outcome.outcome, sqlite_house.active()) == ("rejected", 2)
    assert any("held-out feedback gets worse" in why for why in outcome.why)


def test_a_new_release_is_taught_everything_again_without_new_labels(sqlite_house, monkeypatch):
    give(sqlite_house.repository, sevens(40), [7] * 40, visitors(40))
    assert sqlite_house.run().version == 2
    monkeypatch.setattr("mnist.retraining.gate.failures", lambda *sheets: [])
    sqlite_house.shipped = Shipped(
        write_weights(lessons.base(), replace(lessons.CALIBRATION, unsure_threshold=0.7)), {}
    )

    outcome = sqlite_house.run()

    assert (outcome.outcome, outcome.version, outcome.new_rows) == ("promoted", 4, 0)
    assert [version.parent for version in sqlite_house.registry.versions()] == [3, None, 1, None]
    assert sqlite_house.run().outcome == "nothing_to_do"


def test_weights_that_nobody_can_read_do_not_stop_the_next_version(sqlite_house):
    sqlite_house.registry.seed(sqlite_house.shipped.weights, {})
    sqlite_house.registry.promote(b"broken", {}, parent=1, replaces=1, marks=[])
    give(sqlite_house.repository, sevens(40), [7] * 40, visitors(40))

    assert sqlite_house.run().outcome == "promoted"


# --- killed at the worst moments

CHILD = """
import os, signal, sys
import torch
from sqlalchemy import event, make_url
from sqlalchemy.orm import Session
from mnist.store.engine import connect
from mnist.retraining.run import Shipped, retrain
from mnist.model.network import DigitNetwork
from tests.support import lessons

torch.set_num_threads(1)
url, moment, weights = sys.argv[1:]
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
engine = connect(make_url(url))
tell = lessons.Silent(**{moment: die})
if moment in ("before_commit", "after_commit"):
    tell = lessons.Silent(storing=lambda: event.listen(Session, moment, die))
drawn, others = lessons.digits(60, 1, lessons.training_styles()), lessons.non_digits(20, 2, lessons.training_kinds())
replay_data = lessons.ReplayData(drawn, drawn, others, drawn, drawn, others)
shipped = Shipped(open(weights, "rb").read(), {})
hp = lessons.FineTuningHyperparameters(batch=32, fewest_steps=3, most_steps=3, alphas=(1.0,))
retrain(engine, shipped, lambda: replay_data, lessons.LIMITS, tell, hp)
"""


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
def test_a_killed_run_has_done_everything_or_nothing(house, database_url, moment, tmp_path):
    weights = tmp_path / "digits.pt"
    weights.write_bytes(lessons.shipped())
    give(house.repository, sevens(10), [7] * 10, visitors(10))
    url = database_url.render_as_string(hide_password=False)

    def run(when):
        return subprocess.run([sys.executable, "-c", CHILD, url, when, str(weights)], cwd=ROOT, capture_output=True)

    assert run(moment).returncode == -signal.SIGKILL

    versions = [version.status for version in house.registry.versions()]
    marked = [processed for processed, _, _ in house.standing()]
    assert versions.count("active") == 1
    if moment == "after_commit":
        assert (len(versions), set(marked)) == (2, {True})
    else:
        assert (len(versions), set(marked)) == (1, {False})
        assert run("never").returncode == 0
        assert house.labels.waiting() == 0
