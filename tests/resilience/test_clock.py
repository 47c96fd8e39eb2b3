"""The machine's clock is set back while people draw and label."""

from datetime import UTC, datetime, timedelta

import pytest

from mnist.drawing import Origin
from mnist.recognition import recogniser as recogniser_module
from mnist.store import drawings, model_registry
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.history import History, Wanted
from mnist.store.labels import Labels, Mark
from mnist.store.model_registry import Registry
from tests.support.pictures import seven

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch):
    """Set it with `clock(hours)`, counted from noon."""

    def set_to(hours: float) -> None:
        moment = NOON + timedelta(hours=hours)
        for module in (drawings, recogniser_module, model_registry):
            monkeypatch.setattr(module, "utc_now", lambda: moment)

    set_to(0)
    return set_to


def test_no_drawing_is_lost_from_the_history_and_labels_stay_true(sqlite_url, recognising, clock):
    recogniser = recognising(sqlite_url)
    before = recogniser.recognise(seven(), Origin("canvas", "me"))
    recogniser.correct_by_id(before.drawing.id, 7)
    clock(-2)
    grown = recogniser.recognise(seven(90), Origin("canvas", "me"), grows_from=before.drawing)
    after = recogniser.recognise(seven(), Origin("canvas", "me"))
    recogniser.correct_by_id(after.drawing.id, 1)
    recogniser.correct_by_id(before.drawing.id, 4)  # the later word holds, whatever the clock says

    engine = connect(sqlite_url)
    seen, place = {}, None
    while True:
        page = History(engine).page(Wanted("me"), limit=1, before=place)
        seen |= {each.id: each.true_label for each in page.drawings}
        if (place := page.older) is None:
            break
    engine.dispose()

    assert seen == {before.drawing.id: 4, after.drawing.id: 1}
    assert grown.drawing.id == before.drawing.id


def test_a_label_that_is_changed_during_a_retraining_is_not_taken_for_the_learned_one(sqlite_url, recognising, clock):
    recogniser = recognising(sqlite_url)
    drawing = recogniser.recognise(seven(), Origin("canvas")).drawing
    recogniser.correct_by_id(drawing.id, 7)
    engine = connect(sqlite_url)
    labels = Labels(engine)
    [read] = labels.read(10)

    clock(-1)
    recogniser.correct_by_id(drawing.id, 1)
    labels.mark([Mark(read.id, read.labelled_at)])

    kept = Repository(engine).find(drawing.id)
    assert (kept.true_label, kept.feedback_processed) == (1, False)
    engine.dispose()


def test_a_version_made_before_its_parent_is_served_all_the_same(sqlite_url, clock):
    engine = connect(sqlite_url)
    versions = Registry(engine)
    versions.seed(b"first", {})
    clock(-24)
    promoted = versions.promote(b"second", {}, parent=1, replaces=1, marks=[])

    assert versions.active_number() == promoted == 2
    assert versions.roll_back().version == 1
    engine.dispose()
