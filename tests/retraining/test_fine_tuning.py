"""Tuning: what is learned, what is kept, and what lies between."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from mnist.retraining.fine_tuning import (
    FineTuningHyperparameters,
    balance,
    choose_alpha,
    interpolate,
    recalibrate,
    sampling_weights,
    tune,
)
from mnist.retraining.gate import read_right
from mnist.retraining.replay_data import load_replay_data
from mnist.training.datasets import Labelled
from mnist.training.evaluation import expected_accuracy, features_of, logits_of
from mnist.training.pendigits import Writing
from tests.support import lessons
from tests.support.lessons import CALIBRATION, RECIPE, base, frames, replay_data, sevens


def accuracy(network, images: Labelled) -> float:
    return read_right(network, images).double().mean().item()


@pytest.fixture(scope="module")
def tuned():
    return tune(base(), frames(sevens(40), 7), replay_data(), RECIPE, seed=0)


def test_it_learns_what_people_drew_and_keeps_what_it_knew(tuned):
    unseen = frames(sevens(40, seed=6), 7)

    assert accuracy(base(), unseen) < 0.2
    assert accuracy(tuned, unseen) > 0.7
    assert accuracy(tuned, replay_data().mnist_validation) > accuracy(base(), replay_data().mnist_validation) - 0.15


def test_what_the_base_says_of_what_it_knew_is_held_on_to_also_of_unlikely_digits():
    def strayed(distillation_temperature: float) -> float:
        """How far, on average, the differences between its ten answers have moved on images that it knew."""
        network = tune(
            base(),
            frames(sevens(40), 7),
            replay_data(),
            replace(RECIPE, distillation_temperature=distillation_temperature),
            seed=0,
        )
        before, after = (logits_of(each, replay_data().mnist_validation.frames)[:, :10] for each in (base(), network))
        moved = (after - after.mean(dim=1, keepdim=True)) - (before - before.mean(dim=1, keepdim=True))
        return moved.abs().mean().item()

    assert strayed(3.0) < 0.7 * strayed(1.0)


def test_batch_norm_stays_as_it_is_and_the_base_too(tuned):
    before = {name: tensor.clone() for name, tensor in base().state_dict().items()}
    tune(base(), frames(sevens(10), 7), replay_data(), RECIPE, seed=1)

    norms = [name for name, module in base().named_modules() if isinstance(module, nn.BatchNorm2d)]
    for name, tensor in base().state_dict().items():
        assert torch.equal(before[name], tensor)
        if name.rsplit(".", 1)[0] in norms:
            assert torch.equal(tensor, tuned.state_dict()[name]), name
    assert not torch.equal(base().state_dict()["layers.head.weight"], tuned.state_dict()["layers.head.weight"])


def test_the_seed_decides_the_weights(tuned):
    again = tune(base(), frames(sevens(40), 7), replay_data(), RECIPE, seed=0)

    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in tuned.state_dict().items())


def test_few_labels_are_not_repeated_without_end_and_many_are_all_seen():
    steps = []
    hp = FineTuningHyperparameters(
        batch=16, feedback_share=0.375, least_share=0.375, rounds=2, fewest_steps=3, most_steps=5, alphas=(1.0,)
    )
    for count in (1, 12, 40):
        done = []
        tune(
            base(),
            frames(sevens(40)[:count], 7),
            replay_data(),
            hp,
            0,
            lambda step, of, done=done: done.append(of),
        )
        steps.append(done[-1])

    assert steps == [3, 4, 7]


def test_a_few_contradictions_are_seen_as_often_as_all_that_confirms():
    contradicts = torch.tensor([True] * 10 + [False] * 90)
    each_their_own = [str(number) for number in range(100)]

    weights = sampling_weights(contradicts, each_their_own, [None] * 100)

    assert weights[:10].sum().item() == pytest.approx(weights[10:].sum().item())
    assert sampling_weights(contradicts[:50], each_their_own[:50], [None] * 50).max() == pytest.approx(4)
    assert sampling_weights(contradicts[:10], each_their_own[:10], [None] * 10).tolist() == [1] * 10


def test_one_network_among_several_teaches_no_more_than_a_quarter():
    contradicts = torch.tensor([True] * 60 + [False] * 40)
    people = [f"invented {number}" for number in range(60)] + [f"visitor {number}" for number in range(40)]

    weights = sampling_weights(contradicts, people, ["theirs"] * 60 + [f"net {number % 10}" for number in range(40)])

    assert weights[:60].sum() / weights.sum() == pytest.approx(0.25, abs=0.01)
    assert sampling_weights(contradicts, people, ["a school"] * 100).tolist() == [1] * 100


def test_interpolation_goes_from_one_end_to_the_other(tuned):
    name = "layers.head.weight"
    ends = [network.state_dict()[name] for network in (base(), tuned)]

    assert torch.equal(interpolate(base(), tuned, 0.0).state_dict()[name], ends[0])
    assert torch.allclose(interpolate(base(), tuned, 1.0).state_dict()[name], ends[1])
    assert torch.allclose(interpolate(base(), tuned, 0.5).state_dict()[name], (ends[0] + ends[1]) / 2)


def test_peoples_drawings_that_were_not_tuned_on_choose_alpha(monkeypatch):
    lessons.widen(monkeypatch)
    learned = interpolate(base(), base(), 0.0)
    with torch.no_grad():
        learned.layers.head.bias[7] += 0.5  # a little more of what the practice asks for

    def chosen(digit: int) -> float:
        practice = frames(sevens(20), 7) if digit == 7 else frames(lessons.drawings(20, 60, digit), digit)
        return choose_alpha(
            base(), learned, CALIBRATION, practice, replay_data(), FineTuningHyperparameters(alphas=(0.0, 1.0))
        )[2]

    assert (chosen(7), chosen(0)) == (1.0, 0.0)


def test_a_mix_that_forgets_is_not_chosen():
    forgetful = interpolate(base(), base(), 0.0)
    with torch.no_grad():
        forgetful.layers.head.bias.copy_(torch.eye(11)[7] * 50)  # says 7 to everything

    network, _, alpha = choose_alpha(
        base(),
        forgetful,
        CALIBRATION,
        frames(sevens(20), 7),
        replay_data(),
        FineTuningHyperparameters(alphas=(0.0, 1.0)),
    )

    assert alpha == 0.0
    assert accuracy(network, replay_data().mnist_validation) == accuracy(base(), replay_data().mnist_validation)


def test_a_mix_that_expects_to_misread_more_of_what_it_knew_is_not_chosen(monkeypatch):
    slipping = interpolate(base(), base(), 0.0)
    with torch.no_grad():
        slipping.layers.head.bias[0] += 1.5  # no temperature makes up for that
    lessons.widen(monkeypatch)

    def chosen() -> float:
        practice = frames(lessons.drawings(20, 60, 0), 0)
        return choose_alpha(
            base(), slipping, CALIBRATION, practice, replay_data(), FineTuningHyperparameters(alphas=(0.0, 1.0))
        )[2]

    assert chosen() == 1.0
    for name in ("EXPECTED_TOLERANCE", "MOST_EXPECTED_TOLERANCE"):
        monkeypatch.setattr(f"mnist.retraining.fine_tuning.{name}", 0.0005)
    assert chosen() == 0.0


def test_expected_accuracy_is_the_mean_chance_of_the_right_digit():
    logits = torch.zeros(2, 11)
    logits[0, 3] = 2 * torch.log(torch.tensor(9.0))  # at a temperature of 2: 9 against nine times 1

    assert expected_accuracy(replace(CALIBRATION, temperature=2.0), logits, torch.tensor([3, 5])) == pytest.approx(0.3)


def test_without_validation_drawings_only_a_part_of_the_way_is_gone():
    _, _, alpha = choose_alpha(
        base(), base(), CALIBRATION, frames([], 7), replay_data(), FineTuningHyperparameters(alphas=(0.2, 0.3, 1.0))
    )

    assert alpha == 0.3


def test_as_many_digits_are_refused_after_recalibration_as_before():
    torch.manual_seed(1)
    before = torch.randn(4_000, 11)
    labels = before[:, :10].argmax(1)
    calibration = type(CALIBRATION)(temperature=1.0, non_digit_threshold=0.0, unsure_threshold=0.8)
    after = before.clone()
    after[:, 10] += 2.0

    moved = recalibrate(calibration, before, after, labels)

    def refused(logits, threshold):
        return (logits[:, 10] - torch.logsumexp(logits[:, :10], 1) >= threshold).double().mean().item()

    assert refused(after, calibration.non_digit_threshold) > refused(before, 0.0) + 0.02
    assert refused(after, moved.non_digit_threshold) == pytest.approx(refused(before, 0.0), abs=0.002)


def test_a_rare_digit_is_drawn_more_often_than_its_share():
    chances = balance(torch.tensor([1] * 90 + [7] * 10))

    share = chances[90:].sum() / chances.sum()
    assert 0.2 < share < 0.3


def test_features_have_unit_length():
    features = features_of(base(), replay_data().mnist.frames[:7])

    assert features.shape[0] == 7
    assert torch.allclose(features.norm(dim=1), torch.ones(7))


def test_what_is_held_back_from_training_is_not_replayed(monkeypatch, tmp_path):
    marked = Labelled(torch.zeros(5_200, 28, 28, dtype=torch.uint8), torch.arange(5_200))
    monkeypatch.setattr("mnist.retraining.replay_data.load_mnist", lambda folder, train: marked)

    gathered = load_replay_data(tmp_path, mnist=150, drawings=40)

    assert len(gathered.mnist) == 150
    assert not set(gathered.mnist.labels.tolist()) & set(gathered.mnist_validation.labels.tolist())
    assert [len(gathered.strokes), len(gathered.non_digits), len(gathered.strokes_validation)] == [16, 8, 12]
    assert not torch.equal(gathered.strokes.frames[:12], gathered.strokes_validation.frames)


def test_what_people_wrote_is_half_of_the_strokes_where_it_is_at_hand(monkeypatch, tmp_path):
    marked = Labelled(torch.zeros(5_200, 28, 28, dtype=torch.uint8), torch.arange(5_200))
    monkeypatch.setattr("mnist.retraining.replay_data.load_mnist", lambda folder, train: marked)
    threes = [
        Writing(3, writer, number, (np.array([[0.0, 0.0], [60.0, 100.0], [0.0, 50.0]]),))
        for writer in (1, 2)
        for number in range(1, 41)
    ]
    asked = []
    monkeypatch.setattr(
        "mnist.retraining.replay_data.load_pendigits", lambda folder, fetch=False: asked.append(fetch) or threes
    )

    gathered = load_replay_data(tmp_path, tmp_path, mnist=150, drawings=400)

    for strokes, count in ((gathered.strokes, 160), (gathered.strokes_validation, 120)):
        assert len(strokes) == count
        assert strokes.labels[count // 2 :].tolist() == [3] * (count // 2)
    assert asked == [False]  # a retraining downloads nothing of people's


def test_without_people_s_strokes_drawn_styles_stand_in(monkeypatch, tmp_path):
    marked = Labelled(torch.zeros(5_200, 28, 28, dtype=torch.uint8), torch.arange(5_200))
    monkeypatch.setattr("mnist.retraining.replay_data.load_mnist", lambda folder, train: marked)

    alone = load_replay_data(tmp_path, tmp_path / "nowhere", mnist=150, drawings=40)

    assert torch.equal(alone.strokes.frames, load_replay_data(tmp_path, mnist=150, drawings=40).strokes.frames)
