"""What answers while versions change in the database."""

import io
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy import URL, create_engine, text

from mnist.drawing import Origin, StorageUnavailable
from mnist.model.calibration import Calibration
from mnist.model.classifier import Classifier
from mnist.model.network import DigitNetwork
from mnist.model.weights_file import read_weights, write_weights
from mnist.recognition.active_model import ActiveClassifier, card_of
from mnist.recognition.recogniser import Recogniser
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.model_registry import NoSuchVersion, Registry, Version
from tests.support.lessons import NOON, drawings

FRAMES = np.zeros((2, 28, 28), np.uint8)


def weights(answer: int) -> bytes:
    """A network that says the same digit to everything."""
    network = DigitNetwork((4, 4, 4))
    with torch.no_grad():
        network.layers.head.weight.zero_()
        network.layers.head.bias.copy_(torch.eye(11)[answer] * 9)
    return write_weights(network, Calibration(temperature=1.0, non_digit_threshold=5.0, unsure_threshold=0.8))


@pytest.fixture
def shipped(tmp_path) -> Path:
    path = tmp_path / "digits.pt"
    path.write_bytes(weights(0))
    return path


@pytest.fixture
def make(shipped):
    made = []

    def make(registry: Registry, poll_seconds: float = 60) -> ActiveClassifier:
        made.append(ActiveClassifier(registry, shipped, shipped_version=1, poll_seconds=poll_seconds))
        return made[-1]

    yield make
    for classifier in made:
        classifier.stop()


def answers(classifier: ActiveClassifier) -> set[tuple[int, int]]:
    return {(prediction.digit, prediction.model_version) for prediction in classifier.predict(FRAMES)}


def test_the_first_start_puts_the_shipped_network_into_the_table(registry, make, shipped):
    make(registry).follow(lambda card: None)

    assert registry.active().version == 1
    assert registry.weights(1) == shipped.read_bytes()


def test_a_start_reads_the_shipped_network_once(registry, make, monkeypatch):
    read = []
    monkeypatch.setattr("mnist.model.classifier.read_weights", lambda source: read.append(1) or read_weights(source))
    classifier = make(registry)
    classifier.follow(lambda card: None)

    assert len(read) == 1
    assert classifier.version == classifier.predict(FRAMES)[0].model_version == 1


def test_everybody_is_answered_on_the_same_lasting_thread(registry, make, monkeypatch):
    seen = []
    look = Classifier.look

    def note(*given):
        seen.append(threading.current_thread())
        return look(*given)

    monkeypatch.setattr(Classifier, "look", note)
    classifier = make(registry)

    for _ in range(3):
        asking = threading.Thread(target=classifier.predict, args=(FRAMES,))
        asking.start()
        asking.join()

    assert len(seen) >= 3
    assert len(set(seen)) == 1
    assert seen[0].is_alive()


def test_the_network_is_compiled_before_anybody_asks(registry, make, monkeypatch):
    look, seen = Classifier.look, []
    monkeypatch.setattr(Classifier, "look", lambda *given: seen.append(1) or look(*given))

    classifier = make(registry)

    until = time.monotonic() + 10
    while len(seen) < 2:  # PyTorch looks on at the first call, and compiles at the second
        assert time.monotonic() < until, "the first visitor would wait for it"
        time.sleep(0.02)
    assert answers(classifier) == {(0, 1)}


def test_a_new_version_answers_within_seconds_and_is_announced(registry, make):
    classifier, told = make(registry, poll_seconds=0.05), []
    classifier.follow(lambda card: told.append(card.version))
    assert answers(classifier) == {(0, 1)}

    registry.promote(weights(7), {"trained_from": "12 labels"}, parent=1, replaces=1, marks=[])

    until = time.monotonic() + 10
    while answers(classifier) != {(7, 2)}:
        assert time.monotonic() < until, "the old version still answers"
        time.sleep(0.02)
    assert told == [1, 2]
    assert (classifier.card.version, classifier.card.trained_from) == (2, "12 labels")


def test_a_roll_back_reaches_every_process(registry, make, shipped):
    registry.seed(shipped.read_bytes(), {})
    registry.promote(weights(7), {}, parent=1, replaces=1, marks=[])
    processes = [make(registry), make(registry)]
    for process in processes:
        process.refresh()
    assert [answers(process) for process in processes] == [{(7, 2)}] * 2
    registry.roll_back()

    for process in processes:
        process.refresh()

    assert [answers(process) for process in processes] == [{(0, 1)}] * 2


def test_without_a_database_the_shipped_network_serves_and_says_so_once(make, caplog):
    nowhere = Registry(connect(URL.create("postgresql+psycopg2", "someone", "secret", "127.0.0.1", 9, "mnist")))
    classifier = make(nowhere)

    classifier.refresh()
    classifier.refresh()

    assert answers(classifier) == {(0, 1)}
    assert len([record for record in caplog.records if "goes on serving" in record.message]) == 1
    assert "secret" not in caplog.text


def test_a_database_that_comes_back_empty_is_seeded_again(make, tmp_path):
    blocked = tmp_path / "data"
    blocked.write_text("a file where the folder should be")
    registry = Registry(connect(URL.create("sqlite", database=str(blocked / "mnist.db"))))
    classifier = make(registry)
    classifier.refresh()

    blocked.unlink()
    classifier.refresh()

    assert registry.active().version == 1


def test_weights_that_can_not_be_used_do_not_stop_the_answers(registry, make, database_url, caplog):
    classifier = make(registry)
    classifier.refresh()
    registry.promote(weights(7), {}, parent=1, replaces=1, marks=[])
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE models SET weights = :bad WHERE version = 2"), {"bad": b"damaged"})
    engine.dispose()

    classifier.refresh()
    classifier.refresh()

    assert answers(classifier) == {(0, 1)}
    assert len([record for record in caplog.records if "can't be served" in record.message]) == 1

    registry.promote(weights(3), {}, parent=1, replaces=2, marks=[])
    classifier.refresh()
    assert answers(classifier) == {(3, 3)}


def test_every_drawing_is_stored_with_the_version_that_read_it(registry, make, database_url):
    classifier = make(registry)
    engine = connect(database_url)
    recogniser = Recogniser(classifier, Repository(engine), max_bytes=10**6, max_pixels=10**6)
    classifier.follow(recogniser.now_serves)
    [picture] = drawings(1, 70, 7)

    recogniser.recognise(picture, Origin("canvas", "a visitor"))
    registry.promote(weights(7), {}, parent=1, replaces=1, marks=[])
    classifier.refresh()
    recogniser.recognise(picture, Origin("canvas", "a visitor"))

    read = [(drawing.predicted_digit, drawing.model_version) for drawing in recogniser.repository.recent(limit=2)]
    assert read == [(7, 2), (0, 1)]
    assert recogniser.model.version == 2
    engine.dispose()


@pytest.mark.parametrize("damage", [b"damaged", b"other format", b"not finite"])
def test_a_start_with_unusable_weights_falls_back_to_the_last_version_that_works(
    registry, make, database_url, caplog, damage
):
    registry.seed(weights(0), {})
    for answer in (4, 7, 9):
        registry.promote(weights(answer), {}, parent=1, replaces=registry.active_number(), marks=[])
    bad = {
        b"damaged": weights(9)[:-500],
        b"other format": _saved({"format": 99}),
        b"not finite": _not_finite(),
    }[damage]
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE models SET weights = :bad WHERE version IN (3, 4)"), {"bad": bad})
    engine.dispose()
    told = []

    classifier = make(registry)
    classifier.follow(lambda card: told.append(card.version))

    assert answers(classifier) == {(4, 2)}
    assert told == [2]
    [line] = [record.message for record in caplog.records if "can't be served" in record.message]
    assert "Version 4 can't be served, version 2 goes on" in line

    mended = registry.promote(weights(5), {}, parent=1, replaces=4, marks=[])
    classifier.refresh()
    assert answers(classifier) == {(5, mended)}


def _saved(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _not_finite() -> bytes:
    network = DigitNetwork((4, 4, 4))
    return write_weights(network, Calibration(temperature=1.0, non_digit_threshold=float("nan"), unsure_threshold=0.8))


def test_a_version_that_is_exchanged_while_it_is_read_never_answers_under_anothers_name(
    sqlite_url, make, shipped, monkeypatch
):
    engine, read, told = connect(sqlite_url), Registry.weights, []
    registry = Registry(engine)
    registry.seed(shipped.read_bytes(), {})
    registry.promote(weights(7), {}, parent=1, replaces=1, marks=[])

    def read_slowly(self, version):
        found = read(self, version)
        if version == 2:
            registry.promote(weights(9), {}, parent=1, replaces=2, marks=[])
        return found

    monkeypatch.setattr(Registry, "weights", read_slowly)
    classifier = make(registry)
    classifier.follow(lambda card: told.append(card.version))
    classifier.refresh()

    assert answers(classifier) == {(9, 3)}
    assert told == [3]
    engine.dispose()


def test_a_card_tells_when_a_network_was_trained_as_its_report_says_or_else_when_it_was_tuned():
    made, trained = NOON, NOON - timedelta(days=9)

    def trained_at(parent: int | None, metrics: dict[str, str]) -> datetime | None:
        return card_of(Version(5, parent, made, "active", metrics)).trained_at

    assert trained_at(None, {"trained_at": trained.isoformat()}) == trained
    assert trained_at(4, {}) == made
    assert trained_at(None, {}) is None  # shipped without a report: the table knows only when it came


def damage(database_url: URL, *versions: int) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        for version in versions:
            connection.execute(
                text("UPDATE models SET weights = :bad WHERE version = :version"),
                {"bad": b"damaged", "version": version},
            )
    engine.dispose()


def test_a_version_that_the_gate_rejected_is_never_fallen_back_to(registry, make, database_url):
    registry.seed(weights(0), {})
    registry.promote(weights(4), {}, parent=1, replaces=1, marks=[])
    registry.reject(weights(8), {}, parent=1, marks=[])
    registry.promote(weights(9), {}, parent=1, replaces=2, marks=[])
    damage(database_url, 4)

    classifier = make(registry)
    classifier.refresh()

    assert answers(classifier) == {(4, 2)}


def test_a_second_outage_is_told_too(registry, make, monkeypatch, caplog):
    def away():
        raise StorageUnavailable("The database can't be used now.")

    classifier = make(registry)
    for _ in range(2):
        with monkeypatch.context() as outage:
            outage.setattr(registry, "active_number", away)
            classifier.refresh()
            classifier.refresh()
        classifier.refresh()

    assert len([record for record in caplog.records if "goes on serving" in record.message]) == 2


def test_a_database_that_is_replaced_by_an_empty_one_while_it_serves_is_seeded_again(registry, make, monkeypatch):
    def away():
        raise StorageUnavailable("The database can't be used now.")

    classifier = make(registry)
    classifier.refresh()
    with registry._session() as session:
        session.execute(text("DELETE FROM models"))
    with monkeypatch.context() as outage:
        outage.setattr(registry, "active_number", away)
        classifier.refresh()

    classifier.refresh()

    assert registry.active().version == 1


@pytest.mark.parametrize("method", ["weights", "active_number"])
def test_a_version_that_goes_between_two_questions_is_survived(registry, make, monkeypatch, method):
    def gone(*_version):
        raise NoSuchVersion("There is no version 2.")

    classifier = make(registry)
    classifier.refresh()
    registry.promote(weights(7), {}, parent=1, replaces=1, marks=[])
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(registry, method, gone)
        classifier.refresh()
    assert answers(classifier) == {(0, 1)}

    classifier.refresh()

    assert answers(classifier) == {(7, 2)}


def test_the_asking_goes_on_after_an_error_that_nobody_expected(registry, make, monkeypatch, caplog):
    classifier = make(registry, poll_seconds=0.02)
    classifier.follow(lambda card: None)
    with monkeypatch.context() as broken:
        broken.setattr(registry, "active_number", lambda: 1 / 0)
        wait_until(lambda: "The active version could not be asked for" in caplog.text)
    registry.promote(weights(7), {}, parent=1, replaces=1, marks=[])

    wait_until(lambda: answers(classifier) == {(7, 2)})


def test_a_pause_of_ages_does_not_end_the_asking(registry, make):
    classifier = make(registry, poll_seconds=1e20)
    before = threading.enumerate()
    classifier.follow(lambda card: None)
    [asking] = [each for each in threading.enumerate() if each.name == "active-version" and each not in before]

    asking.join(0.3)

    assert asking.is_alive()


def wait_until(is_so) -> None:
    until = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)
