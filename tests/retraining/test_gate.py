"""What a candidate may lose, and what not."""

from dataclasses import replace

import pytest
import torch

from mnist.model.calibration import Calibration
from mnist.retraining import gate
from mnist.retraining.exam import Change
from mnist.retraining.gate import Evaluation, chance_of, compared, evaluate
from mnist.retraining.replay_data import ReplayData
from mnist.training.datasets import Labelled
from tests.support import lessons

BASE = Evaluation(
    mnist=0.997,
    classes=(0.997,) * 10,
    strokes=0.98,
    calibration_error=0.004,
    refused=0.003,
    caught=0.9,
    held_out_right=torch.tensor([True] * 90 + [False] * 10),
)


def failures(base: Evaluation, active: Evaluation, candidate: Evaluation) -> list[str]:
    """Every held-out label weighs the same."""
    before, after = active.held_out_right, candidate.held_out_right
    lost, won = (float(each.sum()) for each in (before & ~after, ~before & after))
    return gate.failures(base, active, candidate, Change(lost, won, len(after), round(lost), lost, won))


def with_held_out(lost: int, won: int, of: int = 100) -> Evaluation:
    """As BASE on `of` held-out labels, of which a tenth are misread, except that `lost` and `won` answers changed."""
    right = torch.tensor([True] * (of - of // 10) + [False] * (of // 10))
    right[:lost] = False
    right[of - won :] = True
    return replace(BASE, held_out_right=right)


def test_what_changes_nothing_may_be_served():
    assert failures(BASE, BASE, BASE) == []


def test_a_better_one_may_be_served():
    better = replace(with_held_out(lost=1, won=8), mnist=0.998, calibration_error=0.002, caught=0.95)

    assert failures(BASE, BASE, better) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"mnist": 0.9958}, "MNIST falls"),
        ({"classes": (0.997,) * 7 + (0.9915,) + (0.997,) * 2}, "7s fall"),
        ({"calibration_error": 0.0075}, "calibration"),
        ({"strokes": 0.973}, "drawn digits fall"),
        ({"refused": 0.0055}, "refused"),
        ({"caught": 0.88}, "non-digits"),
    ],
)
def test_a_loss_beyond_its_tolerance_is_named(change, name):
    [said] = failures(BASE, BASE, replace(BASE, **change))

    assert name in said


@pytest.mark.parametrize(
    "change",
    [
        {"mnist": 0.9961},
        {"classes": (0.9925,) * 10},
        {"calibration_error": 0.0065},
        {"strokes": 0.975},
        {"refused": 0.0045},
        {"caught": 0.89},
    ],
)
def test_a_loss_within_its_tolerance_passes(change):
    assert failures(BASE, BASE, replace(BASE, **change)) == []


@pytest.mark.parametrize(
    ("slipped", "further"),
    [
        ({"mnist": 0.9962}, {"mnist": 0.9954}),
        ({"classes": (0.993,) * 10}, {"classes": (0.989,) * 10}),
        ({"calibration_error": 0.0065}, {"calibration_error": 0.009}),
        ({"refused": 0.0045}, {"refused": 0.006}),
        ({"caught": 0.89}, {"caught": 0.88}),
    ],
)
def test_small_losses_do_not_add_up_because_the_base_is_compared_too(slipped, further):
    slipped, further = replace(BASE, **slipped), replace(BASE, **further)

    assert failures(BASE, BASE, slipped) == []
    assert failures(slipped, slipped, further) == []
    assert failures(BASE, slipped, further)
    assert failures(slipped, BASE, further)


def test_held_out_feedback_is_compared_with_the_version_that_serves():
    learned = with_held_out(lost=0, won=8)

    assert failures(BASE, learned, BASE)
    assert failures(learned, BASE, BASE) == []


@pytest.mark.parametrize(
    ("lost", "won", "may"), [(0, 0, True), (1, 0, True), (3, 0, False), (5, 5, True), (9, 2, False)]
)
def test_with_enough_held_out_feedback_the_paired_test_decides(lost, won, may):
    assert (failures(BASE, BASE, with_held_out(lost, won)) == []) == may


def test_a_rejection_names_how_many_sessions_blocked_it():
    [said] = gate.failures(BASE, BASE, BASE, Change(9, 2, 100, blocked_by=4))

    assert said == "held-out feedback gets worse: 9 lost, 2 won (p = 0.03), by 4 sessions"


def test_what_only_one_network_likes_is_not_served():
    assert gate.failures(BASE, BASE, BASE, Change(5, 30, 100, others_lost=5, others_won=0))
    assert gate.failures(BASE, BASE, BASE, Change(5, 30, 100, others_lost=5, others_won=4)) == []


@pytest.mark.parametrize(("lost", "won", "may"), [(0, 0, True), (1, 0, False), (1, 1, True), (0, 1, True)])
def test_with_little_held_out_feedback_no_more_may_be_misread(lost, won, may):
    active = with_held_out(0, 0, of=90)

    assert (failures(active, active, with_held_out(lost, won, of=90)) == []) == may


def test_without_held_out_feedback_the_rest_decides():
    none = replace(BASE, held_out_right=torch.zeros(0, dtype=torch.bool))

    assert failures(none, none, none) == []
    assert none.user_drawn is None


def test_the_paired_test_is_exact():
    assert chance_of(0, 0) == 1
    assert chance_of(3, 0) == pytest.approx(1 / 8)
    assert chance_of(8, 2) == pytest.approx(56 / 1024)


def test_a_person_reads_what_was_gained_and_lost():
    before, after = BASE.as_metrics(), replace(BASE, mnist=0.9969).as_metrics()

    assert compared(before, after) == "user-drawn 90.0 → 90.0 %, MNIST 99.70 → 99.69 %"


def test_an_exam_scores_a_real_network():
    replay_data = lessons.replay_data()
    network = lessons.base()
    sheet = evaluate(network, lessons.CALIBRATION, replay_data, lessons.frames(lessons.sevens(10), 7))

    assert sheet.mnist > 0.8
    assert len(sheet.classes) == 10
    assert sheet.user_drawn < 0.2
    assert 0 <= sheet.refused < 0.2


def shown(*scores: float, labels: tuple[int, ...] = ()) -> Labelled:
    """Images that `answered` reads as a 0, each with the outlier score that is written in its first pixel."""
    frames = torch.zeros(len(scores), 28, 28)
    frames[:, 0, 0] = torch.tensor(scores)
    return Labelled(frames, torch.tensor(labels or (0,) * len(scores)))


def answered(_network, frames: torch.Tensor) -> torch.Tensor:
    """91 % for the 0, 1 % for each other digit."""
    digits = torch.tensor([0.91] + [0.01] * 9).log().expand(len(frames), 10)
    return torch.cat([digits, frames[:, 0, :1]], dim=1)


def test_refusals_and_calibration_are_of_mnist_and_strokes_together_and_catches_of_what_is_no_digit(monkeypatch):
    monkeypatch.setattr("mnist.retraining.gate.logits_of", answered)
    mnist, strokes = shown(-3, 5, -3, -3, labels=(0, 0, 0, 7)), shown(5, -3, 5, -3, labels=(0, 0, 3, 3))
    none = shown()
    replay_data = ReplayData(none, none, none, mnist, strokes, shown(6, -1, 5, 6, 3))

    sheet = evaluate(
        None,
        Calibration(temperature=1.0, non_digit_threshold=4.0, unsure_threshold=0.8),
        replay_data,
        shown(0, 0, labels=(0, 1)),
    )

    assert (sheet.mnist, sheet.strokes, sheet.user_drawn) == (0.75, 0.5, 0.5)
    assert sheet.refused == pytest.approx(3 / 8)
    assert sheet.caught == pytest.approx(3 / 5)
    assert sheet.calibration_error == pytest.approx(0.91 - 5 / 8)
