from __future__ import annotations

import numpy as np
import pytest
import torch

from mnist.model.network import NON_DIGIT
from mnist.training.handwriting.non_digits import FAMILY_WEIGHTS, KINDS, held_out_kinds, non_digits, training_kinds


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_can_be_drawn(kind):
    drawn = non_digits(3, seed=2, kinds=[kind])

    assert (drawn.frames.flatten(1).amax(dim=1) > 0).all()


def test_every_family_is_trained_on_and_tested_on_kinds_of_its_own():
    for family in FAMILY_WEIGHTS:
        assert any(kind.family == family for kind in training_kinds())
        assert any(kind.family == family for kind in held_out_kinds())
    assert not {kind.name for kind in training_kinds()} & {kind.name for kind in held_out_kinds()}


def test_names_are_unique_because_worker_processes_find_kinds_by_name():
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_all_are_labelled_as_no_digit_and_the_seed_decides_them():
    drawn, again = non_digits(40, seed=3, kinds=training_kinds()), non_digits(40, seed=3, kinds=training_kinds())

    assert (drawn.labels == NON_DIGIT).all()
    assert torch.equal(drawn.frames, again.frames)
    assert not torch.equal(drawn.frames, non_digits(40, seed=4, kinds=training_kinds()).frames)


def test_several_digits_stand_side_by_side():
    [two] = [kind for kind in KINDS if kind.name == "two digits"]
    [four] = [kind for kind in KINDS if kind.name == "four or five digits"]

    def aspect(kind):
        rng = np.random.default_rng(0)
        boxes = [np.ptp(np.vstack(kind.lines(rng)), axis=0) for _ in range(20)]
        return np.median([width / height for width, height in boxes])

    assert 1.0 < aspect(two) < aspect(four)
