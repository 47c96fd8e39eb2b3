"""How the network that ships is made: from MNIST and from stroke-drawn images."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import torch

from mnist.model.calibration import Calibration, calibrate, non_digit_score
from mnist.model.network import DigitNetwork
from mnist.training.datasets import Labelled, split
from mnist.training.evaluation import Scores, area_under_roc, logits_of, score
from mnist.training.fit import Hyperparameters, Progress, Source, fit
from mnist.training.handwriting.non_digits import held_out_kinds, non_digits, training_kinds
from mnist.training.handwriting.strokes import Drawn, digits, held_out_styles, training_styles


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What the shipped network is trained on; docs/model.md says why."""

    hp: Hyperparameters = field(default_factory=Hyperparameters)
    widths: tuple[int, int, int] = (24, 56, 80)
    strokes: int = 200_000  # drawings in the pool of stroke-drawn digits …
    non_digits: int = 60_000  # … and of things that are no digit
    strokes_per_epoch: int = 48_000
    non_digits_per_epoch: int = 15_000
    trained_styles: int = 8_000  # for validation, as are …
    held_out_styles: int = 12_000
    held_out_kinds: int = 6_000

    def with_epochs(self, epochs: int) -> TrainingPlan:
        """The same with another number of epochs; fewer have as many drawings fewer: one takes less than a minute."""
        share = min(1.0, epochs / self.hp.epochs)
        strokes, non_digits = int(self.strokes * share), int(self.non_digits * share)
        checked = max(share, 0.1)  # of what validates
        hp = replace(
            self.hp,
            epochs=epochs,
            batch=self.hp.batch if epochs > 3 else self.hp.batch // 2,  # more steps, where there are few
            average=1 - (1 - self.hp.average) / share,  # over the same share of the run, not over its beginning
        )
        return replace(
            self,
            hp=hp,
            strokes=strokes,
            non_digits=non_digits,
            strokes_per_epoch=min(strokes, self.strokes_per_epoch),
            non_digits_per_epoch=min(non_digits, self.non_digits_per_epoch),
            trained_styles=int(self.trained_styles * checked),
            held_out_styles=int(self.held_out_styles * checked),
            held_out_kinds=int(self.held_out_kinds * checked),
        )

    @property
    def drawings(self) -> int:
        return self.strokes + self.non_digits + self.trained_styles + self.held_out_styles + self.held_out_kinds


@dataclass(frozen=True, slots=True)
class Trained:
    network: DigitNetwork
    calibration: Calibration
    seconds: float
    validation: dict[str, Scores]  # by name of the set
    non_digit_auroc: float  # held-out kinds against held-out styles
    non_digits_caught: float  # share of held-out kinds called "not a digit"


@dataclass(frozen=True, slots=True)
class Drawings:
    """What the generator contributes: pools to train on, and styles and kinds that training never sees."""

    strokes: Labelled
    non_digits: Labelled
    trained_styles: Labelled  # other drawings in the styles of training
    held_out_styles: Labelled
    held_out_kinds: Labelled


DRAWINGS_SEED = 20_000  # the drawings are the same whatever seed trains, so that seeds compare


def make_drawings(plan: TrainingPlan, workers: int, progress: Drawn | None = None) -> Drawings:
    """Draw everything that training and its validation need, in `workers` processes (about 800 drawings/s each)."""
    seed = DRAWINGS_SEED
    return Drawings(
        strokes=digits(plan.strokes, seed, training_styles(), workers, progress),
        non_digits=non_digits(plan.non_digits, seed + 1, training_kinds(), workers, progress),
        trained_styles=digits(plan.trained_styles, seed + 2, training_styles(), workers, progress),
        held_out_styles=digits(plan.held_out_styles, seed + 3, held_out_styles(), workers, progress),
        held_out_kinds=non_digits(plan.held_out_kinds, seed + 4, held_out_kinds(), workers, progress),
    )


def train(
    mnist: Labelled,
    drawings: Drawings,
    plan: TrainingPlan,
    seed: int,
    device: torch.device,
    progress: Progress | None = None,
) -> Trained:
    """Train from scratch on MNIST's training images and the drawings, calibrate, and score on what was held back.

    mnist: the 60,000 training images; 5,000 of them are held back for validation.
    """
    started = time.perf_counter()
    torch.manual_seed(seed)
    learned, held_back = split(mnist)
    sources = [
        Source(learned, len(learned)),
        Source(drawings.strokes, plan.strokes_per_epoch),
        Source(drawings.non_digits, plan.non_digits_per_epoch),
    ]
    network = fit(DigitNetwork(plan.widths), sources, plan.hp, seed, device, progress)
    sets = {
        "mnist_validation": held_back,
        "trained_styles": drawings.trained_styles,
        "held_out_styles": drawings.held_out_styles,
    }
    logits = {name: logits_of(network, images.frames, device) for name, images in sets.items()}
    calibration = calibrate(
        torch.cat([logits["mnist_validation"], logits["trained_styles"]]),
        torch.cat([held_back.labels, drawings.trained_styles.labels]),
    )
    non_digit_scores = non_digit_score(logits_of(network, drawings.held_out_kinds.frames, device))
    return Trained(
        network=network,
        calibration=calibration,
        seconds=time.perf_counter() - started,
        validation={name: score(logits[name], sets[name].labels, calibration) for name in sets},
        non_digit_auroc=area_under_roc(non_digit_score(logits["held_out_styles"]), non_digit_scores),
        non_digits_caught=(non_digit_scores >= calibration.non_digit_threshold).double().mean().item(),
    )
