"""How the network that ships is made: from MNIST, stroke-drawn images and what people wrote."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from mnist.model.calibration import Calibration, calibrate, non_digit_score
from mnist.model.network import DigitNetwork
from mnist.training.datasets import Labelled, split
from mnist.training.evaluation import Scores, area_under_roc, logits_of, score
from mnist.training.fit import Hyperparameters, Progress, Source, fit
from mnist.training.handwriting.non_digits import held_out_kinds, non_digits, training_kinds
from mnist.training.handwriting.strokes import Drawn, digits, held_out_styles, training_styles
from mnist.training.pendigits import Writing, as_written, divide, pictures


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What the shipped network is trained on; docs/model.md says why."""

    hp: Hyperparameters = field(default_factory=Hyperparameters)
    widths: tuple[int, int, int] = (24, 64, 96)
    strokes: int = 90_000  # drawings in the pool of stroke-drawn digits …
    people: int = 90_000  # … of what people wrote, drawn again …
    non_digits: int = 50_000  # … and of things that are no digit
    strokes_per_epoch: int = 36_000
    people_per_epoch: int = 26_000
    non_digits_per_epoch: int = 20_000
    left_out_writers: tuple[int, ...] = ()  # in a trial: of whom nothing is learned
    trained_styles: int = 6_000  # for validation, as are …
    people_validation: int = 3_000
    held_out_styles: int = 8_000
    held_out_kinds: int = 5_000

    def with_epochs(self, epochs: int) -> TrainingPlan:
        """The same with another number of epochs; fewer have as many drawings fewer: one takes less than a minute."""
        share = min(1.0, epochs / self.hp.epochs)
        strokes, people, non_digits = (int(size * share) for size in (self.strokes, self.people, self.non_digits))
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
            people=people,
            non_digits=non_digits,
            strokes_per_epoch=min(strokes, self.strokes_per_epoch),
            people_per_epoch=min(people, self.people_per_epoch),
            non_digits_per_epoch=min(non_digits, self.non_digits_per_epoch),
            trained_styles=int(self.trained_styles * checked),
            people_validation=int(self.people_validation * checked),
            held_out_styles=int(self.held_out_styles * checked),
            held_out_kinds=int(self.held_out_kinds * checked),
        )

    def without_people(self) -> TrainingPlan:
        """The same without what people wrote; as many drawn styles come in their place."""
        return replace(
            self, people=0, people_per_epoch=0, people_validation=0, strokes_per_epoch=self.strokes_per_epoch + 12_000
        )

    @property
    def drawings(self) -> int:
        learned = self.strokes + self.people + self.non_digits
        return learned + self.trained_styles + self.people_validation + self.held_out_styles + self.held_out_kinds


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
    """What our pen contributes: pools to train on, and styles, kinds and writers that training never sees."""

    strokes: Labelled
    people: Labelled  # what people wrote, deformed; empty in a training without it, like the other two of people
    non_digits: Labelled
    trained_styles: Labelled  # other drawings in the styles of training
    people_validation: Labelled  # other writings of the people that are learned from
    left_out_writers: Labelled  # every writing of other people, as it was written
    held_out_styles: Labelled
    held_out_kinds: Labelled


VALIDATION_BEND = 0.3  # of the deformations: what people write is what the thresholds are for, not what we make of it
DRAWINGS_SEED = 20_000  # the drawings are the same whatever seed trains, so that seeds compare


def make_drawings(
    plan: TrainingPlan, workers: int, progress: Drawn | None = None, writings: Sequence[Writing] = ()
) -> Drawings:
    """Draw everything that training and its validation need, in `workers` processes (about 800 drawings/s each).

    writings: of people (pendigits.py); not needed where the plan takes nothing of theirs.
    """
    seed = DRAWINGS_SEED
    learned, kept_back, left_out = divide(writings, plan.left_out_writers)
    return Drawings(
        strokes=digits(plan.strokes, seed, training_styles(), workers, progress),
        people=pictures(plan.people if learned else 0, seed + 5, learned, workers=workers, progress=progress),
        people_validation=pictures(
            plan.people_validation if kept_back else 0,
            seed + 6,
            kept_back,
            VALIDATION_BEND,
            workers=workers,
            progress=progress,
        ),
        left_out_writers=as_written(left_out),
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

    The calibration is fitted on what was held back of every origin that was learned.

    mnist: the 60,000 training images; 5,000 of them are held back for validation.
    """
    started = time.perf_counter()
    torch.manual_seed(seed)
    learned, held_back = split(mnist)
    sources = [
        Source(learned, len(learned)),
        Source(drawings.strokes, plan.strokes_per_epoch),
        Source(drawings.people, plan.people_per_epoch),
        Source(drawings.non_digits, plan.non_digits_per_epoch),
    ]
    network = fit(DigitNetwork(plan.widths), sources, plan.hp, seed, device, progress)
    sets = {
        "mnist_validation": held_back,
        "trained_styles": drawings.trained_styles,
        "people": drawings.people_validation,
        "held_out_styles": drawings.held_out_styles,
        "left_out_writers": drawings.left_out_writers,
    }
    sets = {name: images for name, images in sets.items() if len(images)}
    logits = {name: logits_of(network, images.frames, device) for name, images in sets.items()}
    known = [name for name in ("mnist_validation", "trained_styles", "people") if name in sets]
    calibration = calibrate(
        torch.cat([logits[name] for name in known]), torch.cat([sets[name].labels for name in known])
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
