"""One correction counts at once, for whoever gave it and for nobody else; on each database."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from sqlalchemy import event, text

from mnist.drawing import Origin, StorageUnavailable
from mnist.model.calibration import Calibration
from mnist.model.classifier import Classifier, Look
from mnist.model.network import DigitNetwork
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.recognition import hands
from mnist.recognition.recogniser import Recogniser
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.own_labels import OwnLabels
from tests.support.lessons import drawings, sevens, side_by_side

ME, OTHER = Origin("canvas", "me"), Origin("canvas", "other")


class Following:
    """A classifier that can be exchanged, as the active version is."""

    def __init__(self, classifier: Classifier) -> None:
        self.serving = classifier

    @property
    def version(self) -> int:
        return self.serving.version

    def look(self, frames: np.ndarray, meanwhile: Callable[[], None] = lambda: None) -> Look:
        return self.serving.look(frames, meanwhile)


@pytest.fixture(scope="module")
def shipped() -> Classifier:
    return Classifier.load(SHIPPED_WEIGHTS, version=3)


@pytest.fixture
def classifier(shipped) -> Following:
    return Following(shipped)


@pytest.fixture
def start(classifier, database_url):
    """Starts another process, as far as memory goes."""
    engines = []

    def start() -> Recogniser:
        engines.append(connect(database_url))
        return Recogniser(
            classifier, Repository(engines[-1]), max_bytes=2**20, max_pixels=10**6, own_labels=OwnLabels(engines[-1])
        )

    yield start
    for engine in engines:
        engine.dispose()


@pytest.fixture
def recogniser(start) -> Recogniser:
    return start()


def label(recogniser: Recogniser, picture: bytes, said: int | str | None, origin: Origin = ME):
    """Draw and label; returns the drawing."""
    found = recogniser.recognise(picture, origin)
    recogniser.correct(found.drawing, said)
    return found.drawing


def read(recogniser: Recogniser, picture: bytes, origin: Origin = ME, **options) -> tuple[str | None, bool]:
    found = recogniser.recognise(picture, origin, **options)
    return found.drawing.guess, found.is_personal


def test_one_correction_counts_at_once_for_who_gave_it_and_for_nobody_else(recogniser):
    first, second = sevens(2)
    before = recogniser.recognise(second, OTHER)
    label(recogniser, first, 1)

    assert read(recogniser, second) == ("1", True)
    after = recogniser.recognise(second, OTHER)
    assert (after.prediction, after.is_personal) == (before.prediction, False)
    assert recogniser.repository.recent(limit=2, session_id="me")[0].predicted_digit == 1


def test_what_has_another_shape_is_read_as_before(recogniser):
    [zero] = drawings(1, 5, 0)
    before = recogniser.recognise(zero, OTHER).prediction
    label(recogniser, sevens(1)[0], 1)

    found = recogniser.recognise(zero, ME)

    assert (found.prediction, found.is_personal) == (before, False)


def test_another_label_or_a_deletion_undoes_it(recogniser):
    first, second = sevens(2)
    drawing = label(recogniser, first, 1)
    assert read(recogniser, second) == ("1", True)

    recogniser.correct(drawing, 7)
    assert read(recogniser, second) == ("7", True)

    recogniser.correct(drawing, 1)
    assert read(recogniser, second) == ("1", True)
    recogniser.repository.delete("me", drawing.id)
    assert read(recogniser, second) == ("7", False)


def test_nothing_is_left_when_all_drawings_are_deleted(recogniser):
    first, second = sevens(2)
    label(recogniser, first, 1)
    assert read(recogniser, second) == ("1", True)

    recogniser.repository.delete("me")

    assert read(recogniser, second) == ("7", False)


def test_who_keeps_nothing_is_not_looked_up(recogniser):
    first, second = sevens(2)
    label(recogniser, first, 1)

    assert read(recogniser, second, keep=False) == ("7", False)


def test_a_session_that_many_may_share_has_no_hand(recogniser):
    first, second = sevens(2)
    shared = replace(ME, is_one_person=False)
    label(recogniser, first, 1, shared)

    assert read(recogniser, second, shared) == ("7", False)
    [in_batch] = recogniser.recognise_batch([second], shared)
    assert not in_batch.is_personal


def test_it_holds_in_every_process_and_after_a_restart(recogniser, start):
    first, second = sevens(2)
    other_process = start()
    assert read(other_process, second) == ("7", False)
    drawing = label(recogniser, first, 1)

    assert read(other_process, second) == ("1", True)
    assert read(start(), second) == ("1", True)

    recogniser.correct(drawing, 7)
    assert read(other_process, second) == ("7", True)
    recogniser.repository.delete("me")
    assert read(other_process, second) == ("7", False)


def test_it_follows_a_new_version_of_the_network(recogniser, classifier):
    first, second = sevens(2)
    label(recogniser, first, 1)
    assert read(recogniser, second) == ("1", True)
    torch.manual_seed(3)
    never_trained = DigitNetwork((4, 6, 8))  # its features have another length, too

    calibration = Calibration(temperature=1.0, non_digit_threshold=99.0, unsure_threshold=0.0)
    classifier.serving = Classifier(never_trained, calibration, version=4)

    found = recogniser.recognise(first, ME)
    assert (found.drawing.guess, found.is_personal, found.drawing.model_version) == ("1", True, 4)


def test_a_number_teaches_its_digits_and_is_read_with_them(recogniser):
    [one], (first, second) = drawings(1, 5, 1), sevens(2)
    number = side_by_side(one, second)
    assert read(recogniser, number) == ("17", False)

    drawing = label(recogniser, side_by_side(one, first), "11")
    assert read(recogniser, second)[0] == "1"
    assert read(recogniser, number) == ("11", True)
    recogniser.repository.delete("me", drawing.id)
    assert read(recogniser, number) == ("17", False)

    label(recogniser, first, 1)
    assert read(recogniser, number) == ("11", True)


def test_what_they_called_no_digit_is_refused_again(recogniser):
    first = sevens(1)[0]
    label(recogniser, first, None)

    assert recogniser.recognise(first, ME).prediction.verdict == "not_a_digit"


def test_a_batch_and_a_labelled_picture_count_too(recogniser):
    first, second = sevens(2)
    recogniser.recognise_labelled(first, 1, ME)

    assert [each.drawing.guess for each in recogniser.recognise_batch([second, second], ME)] == ["1", "1"]


def test_what_an_administrator_revoked_does_not_count(recogniser, administration, engine):
    first, second = sevens(2)
    drawing = label(recogniser, first, 1)
    assert read(recogniser, second) == ("1", True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE predictions SET feedback_processed = :yes"), {"yes": True})

    administration.review(drawing.id, accept=False)

    assert read(recogniser, second) == ("7", False)


def test_while_the_database_is_away_memory_counts_and_nobody_waits_for_it_twice(recogniser, monkeypatch):
    first, second = sevens(2)
    label(recogniser, first, 1)
    read(recogniser, second)
    asked = []

    def fail(self, sessions):
        asked.append(sessions)
        raise StorageUnavailable("away")

    monkeypatch.setattr(OwnLabels, "stamps", fail)

    assert [read(recogniser, second) for _ in range(3)] == [("1", True)] * 3
    assert len(asked) == 1
    monkeypatch.undo()
    recogniser._hands._away_until = 0.0  # ten seconds later
    recogniser.repository.delete("me")
    assert read(recogniser, second) == ("7", False)


def test_the_latest_labels_count_and_no_more_than_so_many(recogniser, monkeypatch):
    monkeypatch.setattr(hands, "LATEST", 2)
    first, second = sevens(2)
    label(recogniser, first, 1)
    assert read(recogniser, second) == ("1", True)

    for zero in drawings(2, 5, 0):
        label(recogniser, zero, 0)

    assert read(recogniser, second) == ("7", False)


def test_after_a_restart_no_answer_waits_for_all_of_them(recogniser, start, monkeypatch):
    first, second = sevens(2)
    label(recogniser, first, 1)
    for zero in drawings(2, 5, 0):
        label(recogniser, zero, 0)
    monkeypatch.setattr(hands, "AT_ONCE", 1)
    restarted = start()

    assert [read(restarted, second) for _ in range(4)] == [("7", False)] * 2 + [("1", True)] * 2


def test_memory_is_bounded_and_who_was_put_out_is_read_again(recogniser, monkeypatch):
    monkeypatch.setattr(hands, "HELD", 1)
    first, second = sevens(2)
    for origin in (ME, OTHER):
        label(recogniser, first, 1, origin)

    for origin in (ME, OTHER, ME):
        assert read(recogniser, second, origin) == ("1", True)
    assert list(recogniser._hands._known) == ["me"]


def test_a_picture_that_can_not_be_read_any_more_is_passed_over(recogniser):
    first, second = sevens(2)
    drawing = label(recogniser, first, 1)
    broken = replace(drawing, id=uuid.uuid4(), image=b"no picture", true_label=4, labelled_at=drawing.created_at)
    recogniser.repository.add_all([broken])

    assert [read(recogniser, second) for _ in range(2)] == [("1", True)] * 2


def test_who_has_labelled_nothing_costs_one_look_into_an_index(recogniser, engine, classifier, monkeypatch):
    seen, statements = [], []
    look = classifier.look
    read(recogniser, sevens(1)[0])
    monkeypatch.setattr(recogniser, "_classifier", classifier)
    monkeypatch.setattr(classifier, "look", lambda frames, then: seen.append(len(frames)) or look(frames, then))
    own = recogniser._hands._labels._engine
    event.listen(own, "before_cursor_execute", lambda *given: statements.append((given[2], given[3])))

    recogniser.recognise(sevens(1)[0], ME)

    [(asked, values)] = [each for each in statements if each[0].startswith("SELECT")]
    assert seen == [1]
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", values).all()
        assert "COVERING INDEX predictions_own_labels" in str(plan)
