from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from mnist.model.network import DigitNetwork
from mnist.training.augmentation import Augmentation
from mnist.training.datasets import Labelled
from mnist.training.evaluation import accuracy, logits_of
from mnist.training.fit import Hyperparameters, Source, fit
from mnist.training.from_scratch import Drawings, TrainingPlan, make_drawings, train
from mnist.training.handwriting.non_digits import non_digits, training_kinds
from mnist.training.handwriting.strokes import digits, training_styles, write
from mnist.training.pendigits import Writing

CPU = torch.device("cpu")
SMALL = (8, 12, 16)
QUICK = Hyperparameters(epochs=4, batch=64, peak_rate=1e-2, average=0.97, augmentation=Augmentation().scaled(0.3))

LITTLE = TrainingPlan(
    hp=QUICK,
    widths=SMALL,
    strokes=300,
    people=80,
    non_digits=100,
    strokes_per_epoch=300,
    people_per_epoch=80,
    non_digits_per_epoch=100,
    trained_styles=50,
    people_validation=30,
    held_out_styles=60,
    held_out_kinds=40,
)


def written() -> list[Writing]:
    """What four people wrote: each digit ten times."""
    rng, styles = np.random.default_rng(22), training_styles()
    return [
        Writing(digit, writer, 10 * digit + turn, tuple(write([s for s in styles if s.digit == digit][writer], rng)))
        for writer in range(1, 5)
        for digit in range(10)
        for turn in range(1, 11)
    ]


@pytest.fixture(scope="module")
def drawn() -> Labelled:
    return digits(2_000, seed=11, styles=training_styles())


def learn(drawn: Labelled, seed: int, hp: Hyperparameters = QUICK) -> torch.nn.Module:
    torch.manual_seed(seed)
    return fit(DigitNetwork(SMALL), [Source(drawn, len(drawn))], hp, seed, CPU)


@pytest.mark.parametrize("half", [True, False], ids=["bfloat16 where it is faster", "float32"])
def test_a_network_learns_to_read_drawings_it_has_not_seen(drawn, half):
    unseen = digits(500, seed=12, styles=training_styles())

    network = learn(drawn, 0, dataclasses.replace(QUICK, half=half))

    assert accuracy(logits_of(network, unseen.frames), unseen.labels) > 0.75
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32, torch.int64}


@pytest.mark.parametrize(("able", "expected"), [(False, torch.float32), (True, torch.bfloat16)])
def test_half_precision_is_used_where_it_is_faster_only(drawn, able, expected, monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": able})
    computed = []
    network = DigitNetwork(SMALL)
    network.layers.head.register_forward_hook(lambda _, __, logits: computed.append(logits.dtype))

    fit(network, [Source(drawn, 64)], dataclasses.replace(QUICK, epochs=1), 0, CPU)

    assert computed == [expected, torch.float32]  # a step, and the statistics of the average


def test_the_seed_decides_the_weights(drawn):
    small = drawn.take(torch.arange(300))

    first, again, other = (learn(small, seed).state_dict() for seed in (1, 1, 2))

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["layers.head.weight"], other["layers.head.weight"])


def test_an_epoch_takes_from_each_source_what_was_asked_for(drawn):
    steps = []
    few, many = drawn.take(torch.arange(10)), drawn.take(torch.arange(1_000))

    fit(
        DigitNetwork(SMALL),
        [Source(few, 64), Source(many, 128)],
        dataclasses.replace(QUICK, epochs=2),
        0,
        CPU,
        lambda step, total, loss: steps.append((step, total)),
    )

    assert steps == [(step, 6) for step in range(1, 7)]


def test_the_average_has_batch_norm_statistics_of_its_own(drawn):
    source = DigitNetwork(SMALL)
    averaged = fit(source, [Source(drawn, 640)], dataclasses.replace(QUICK, epochs=1), 0, CPU)

    name = "layers.stem.2.running_mean"
    assert averaged is not source
    assert not torch.equal(averaged.state_dict()[name], source.state_dict()[name])
    assert not torch.equal(averaged.state_dict()["layers.head.weight"], source.state_dict()["layers.head.weight"])


def test_training_from_scratch_reports_every_held_back_set(drawn):
    plan = dataclasses.replace(LITTLE, hp=dataclasses.replace(QUICK, epochs=1))
    told = []
    drawings = make_drawings(plan, workers=1, progress=told.append, writings=written())
    stand_in = Labelled(drawn.frames.repeat(3, 1, 1), drawn.labels.repeat(3))  # for MNIST's training images

    steps: list[tuple[int, int]] = []

    trained = train(stand_in, drawings, plan, 0, CPU, lambda step, total, loss: steps.append((step, total)))

    assert [step for step, _ in steps] == list(range(1, steps[0][1] + 1))
    assert sum(told) == plan.drawings
    assert set(trained.validation) == {"mnist_validation", "trained_styles", "people", "held_out_styles"}
    assert all(0 <= scores.accuracy <= 1 for scores in trained.validation.values())
    assert trained.calibration.temperature > 0
    assert trained.network.widths == SMALL


def test_non_digits_are_told_from_digits_after_a_little_training(drawn):
    others = non_digits(1_000, seed=13, kinds=training_kinds())
    torch.manual_seed(0)
    network = fit(DigitNetwork(SMALL), [Source(drawn, 2_000), Source(others, 1_000)], QUICK, 0, CPU)

    says_none = logits_of(network, non_digits(200, seed=14, kinds=training_kinds()).frames).argmax(1) == 10
    says_none_of_digits = logits_of(network, drawn.frames[:400]).argmax(1) == 10

    assert says_none.double().mean() > says_none_of_digits.double().mean() + 0.3


def test_writers_who_are_left_out_are_scored_and_not_learned_from():
    plan = dataclasses.replace(LITTLE, left_out_writers=(2, 3))

    drawings = make_drawings(plan, workers=1, writings=written())

    assert len(drawings.left_out_writers) == 200
    assert (len(drawings.people), len(drawings.people_validation)) == (80, 30)
    nothing = make_drawings(dataclasses.replace(LITTLE, left_out_writers=(1, 2, 3, 4)), workers=1, writings=written())
    assert len(nothing.people) == 0


def test_without_people_the_plan_draws_more_styles_in_their_place():
    plan = LITTLE.without_people()
    told: list[int] = []

    drawings = make_drawings(plan, workers=1, progress=told.append)

    assert (len(drawings.people), len(drawings.people_validation), len(drawings.left_out_writers)) == (0, 0, 0)
    assert sum(told) == plan.drawings == LITTLE.drawings - 80 - 30
    assert plan.strokes_per_epoch > LITTLE.strokes_per_epoch


def test_drawings_to_train_on_and_to_validate_with_are_different(drawn):
    plan = TrainingPlan(strokes=40, non_digits=10, trained_styles=40, held_out_styles=10, held_out_kinds=10)
    drawings: Drawings = make_drawings(plan, workers=1)

    assert not torch.equal(drawings.strokes.frames, drawings.trained_styles.frames)


def test_fewer_epochs_are_the_same_plan_in_little():
    plan = TrainingPlan(
        hp=Hyperparameters(epochs=10, average=0.99), strokes=1_000, strokes_per_epoch=300, held_out_kinds=600
    )

    one = plan.with_epochs(1)

    assert (one.hp.epochs, one.strokes, one.strokes_per_epoch, one.held_out_kinds) == (1, 100, 100, 60)
    assert one.hp.average == pytest.approx(0.9)  # over a tenth of the steps: else it would be of the beginning
    assert (plan.with_epochs(5).strokes, plan.with_epochs(5).strokes_per_epoch) == (500, 300)
    assert plan.with_epochs(10) == plan


@pytest.mark.parametrize("epochs", [1, 2, 29, 30, 31, 100])
def test_the_average_of_a_short_run_forgets_where_it_began(epochs):
    plan = TrainingPlan().with_epochs(epochs)
    drawn = plan.strokes_per_epoch + plan.people_per_epoch + plan.non_digits_per_epoch
    steps = epochs * (55_000 + drawn) / plan.hp.batch

    assert plan.hp.average**steps < 1e-6
    assert 0.9 < plan.hp.average <= 0.998
