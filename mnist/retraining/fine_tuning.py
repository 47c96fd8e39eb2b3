"""Tunes the shipped network to what people drew, without forgetting what it knew."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist.model.calibration import Calibration, calibrate, non_digit_score
from mnist.model.network import DIGITS, DigitNetwork, as_input
from mnist.retraining.replay_data import ReplayData
from mnist.training.augmentation import Augmentation, augment
from mnist.training.datasets import Labelled
from mnist.training.evaluation import accuracy, by_class, expected_accuracy, is_right, logits_of


@dataclass(frozen=True, slots=True)
class FineTuningHyperparameters:
    """How far to go from the base; chosen by benchmarks/retrain.py, see docs/experiments.md."""

    peak_rate: float = 1e-3
    batch: int = 256
    feedback_share: float = 0.06  # of each batch; the rest is replayed
    rounds: int = 20  # times that each label is seen …
    fewest_steps: int = 60  # … within these bounds, but once at least
    most_steps: int = 150
    augmentation_strength: float = 0.6  # of the usual augmentation
    distillation_temperature: float = 3.0  # temperature at which what the base says of a replayed image is held on to
    # Of the way from base to tuned; validation decides how far a run goes.
    alphas: tuple[float, ...] = (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 1.0)


Progress = Callable[[int, int], None]  # (step, steps) after every step


def tune(
    base: DigitNetwork,
    feedback: Labelled,
    replay_data: ReplayData,
    hp: FineTuningHyperparameters,
    seed: int,
    progress: Progress | None = None,
) -> DigitNetwork:
    """A copy of `base` that has learned `feedback` (not empty) among replayed images.

    Batch norm is frozen, so that the weights can be interpolated. Replay (arXiv 1902.10486) is distilled: its targets
    are what the base says about the same bent image (arXiv 1606.09282), which holds confidence and refusals in place;
    softened (arXiv 1503.02531), so that also how it ranks the unlikely digits is held.
    """
    generator = torch.Generator().manual_seed(seed)
    network = copy.deepcopy(base).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    base = base.eval()
    parameters = [
        parameter
        for module in network.modules()
        if not isinstance(module, nn.BatchNorm2d)
        for parameter in module.parameters(recurse=False)
    ]
    optimiser = torch.optim.AdamW(parameters, lr=hp.peak_rate, weight_decay=0.0)
    taught = max(1, round(hp.batch * hp.feedback_share))
    once = math.ceil(len(feedback) / taught)
    steps = max(once, min(max(hp.rounds * once, hp.fewest_steps), hp.most_steps))
    doubtful = _least_sure(base, replay_data.mnist)
    replay = [(replay_data.mnist, 0.3), (doubtful, 0.3), (replay_data.strokes, 0.28), (replay_data.non_digits, 0.12)]
    chances = balance(feedback.labels)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = hp.peak_rate * min(1.0, (step + 1) / 10) * 0.5 * (1 + math.cos(math.pi * step / steps))
        new = feedback.take(torch.multinomial(chances, taught, replacement=True, generator=generator))
        known = torch.cat([_some(images, round((hp.batch - taught) * share), generator) for images, share in replay])
        frames = augment(
            as_input(torch.cat([new.frames, known])),
            Augmentation().scaled(hp.augmentation_strength),
            generator,
        )
        frames = frames.to(memory_format=torch.channels_last)
        with torch.no_grad():
            remembered = F.softmax(base(frames[taught:]) / hp.distillation_temperature, dim=1)
        logits = network(frames)
        kept = hp.distillation_temperature**2 * F.cross_entropy(
            logits[taught:] / hp.distillation_temperature, remembered
        )
        loss = hp.feedback_share * F.cross_entropy(logits[:taught], new.labels, label_smoothing=0.02)
        loss = loss + (1 - hp.feedback_share) * kept
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if progress is not None:
            progress(step + 1, steps)
    return network


def _least_sure(base: nn.Module, images: Labelled) -> Labelled:
    """The tenth of the images whose two likeliest digits are closest: those that a small change would lose first."""
    likeliest = logits_of(base, images.frames)[:, :DIGITS].topk(2, dim=1).values
    return images.take((likeliest[:, 0] - likeliest[:, 1]).argsort()[: max(1, len(images) // 10)])


def balance(labels: Tensor) -> Tensor:
    """(N,) chances of being drawn: a class by the square root of its size, so that a common one drowns no other."""
    counts = torch.bincount(labels, minlength=DIGITS + 1).clamp(min=1).double()
    return counts.rsqrt()[labels]


def _some(images: Labelled, count: int, generator: torch.Generator) -> Tensor:
    return images.frames[torch.randint(len(images), (count,), generator=generator)]


def interpolate(base: DigitNetwork, tuned: DigitNetwork, alpha: float) -> DigitNetwork:
    """The network `alpha` (0..1) of the way from `base` to `tuned` (WiSE-FT, arXiv 2109.01903)."""
    between = copy.deepcopy(base)
    ends = tuned.state_dict()
    mixed = {
        name: torch.lerp(start, ends[name], alpha) if start.is_floating_point() else start
        for name, start in base.state_dict().items()
    }
    between.load_state_dict(mixed)
    return between.eval()


# What a version may cost on MNIST, in misreadings that the network itself expects of validation images. Counting them
# is no guide: of 5,000 images a few more or fewer are misread by chance, from one share to the next and back.
EXPECTED_TOLERANCE = 0.0003  # of 0.0005 that it may cost: on other images chance adds to it
MNIST_TOLERANCE, CLASS_TOLERANCE = 0.001, 0.005  # as the gate's: what it would turn down is not proposed
STROKES_TOLERANCE = 0.004
BLIND_ALPHA = 0.3  # the most that is taken on trust, without people's drawings to say how far is good


def choose_alpha(
    base: DigitNetwork,
    tuned: DigitNetwork,
    calibration: Calibration,
    validation: Labelled,
    replay_data: ReplayData,
    hp: FineTuningHyperparameters,
) -> tuple[DigitNetwork, Calibration, float]:
    """The best network between `base` and `tuned`: (network, its calibration, alpha).

    Of the alphas that keep what the base knows of MNIST and of drawings, it is the one that reads most of `validation`,
    people's drawings that were not tuned on; without any, the largest up to BLIND_ALPHA; the smallest if none keeps it.
    What is kept is judged on validation images: how many are misread, and how many the network expects to misread.
    """
    known = (replay_data.mnist_validation, replay_data.strokes_validation)
    labels = torch.cat([images.labels for images in known])

    def read(network: DigitNetwork) -> tuple[Tensor, list[float], list[float]]:
        parts = [logits_of(network, images.frames) for images in known]
        mnist, strokes = (is_right(part, images.labels) for part, images in zip(parts, known, strict=True))
        logits = torch.cat(parts)
        expected = expected_accuracy(calibrate(logits, labels), parts[0], known[0].labels)
        scores = [mnist.double().mean().item(), strokes.double().mean().item(), expected]
        return logits, scores, by_class(mnist, known[0].labels)

    base_logits, base_scores, base_classes = read(base)
    best: tuple[float, float, DigitNetwork, Tensor] | None = None
    for alpha in sorted(hp.alphas):
        network = interpolate(base, tuned, alpha)
        logits, scores, classes = read(network)
        keeps = (
            scores[0] >= base_scores[0] - MNIST_TOLERANCE
            and scores[1] >= base_scores[1] - STROKES_TOLERANCE
            and scores[2] >= base_scores[2] - EXPECTED_TOLERANCE
            and all(after >= before - CLASS_TOLERANCE for before, after in zip(base_classes, classes, strict=True))
        )
        if best is not None and not keeps:
            break  # further away it does not come back
        worth = _worth(network, validation) if len(validation) else (alpha if alpha <= BLIND_ALPHA else 0.0)
        if best is None or worth >= best[0]:
            best = (worth, alpha, network, logits)
    assert best is not None, "there is an alpha to choose"
    _, alpha, network, logits = best
    return network, recalibrate(calibration, base_logits, logits, labels), alpha


def _worth(network: DigitNetwork, validation: Labelled) -> float:
    """Accuracy, and between equals the likelihood; a label that is wrong must not count without bounds."""
    logits = logits_of(network, validation.frames)
    loss = F.cross_entropy(logits, validation.labels, reduction="none").clamp(max=4).mean().item()
    return accuracy(logits, validation.labels) - 0.01 * loss


def recalibrate(calibration: Calibration, before: Tensor, after: Tensor, labels: Tensor) -> Calibration:
    """The calibration for changed logits of the same (N,) digits: the temperature anew, as many refused as before."""
    scores_before, scores_after = non_digit_score(before).double(), non_digit_score(after).double()
    refused = (scores_before >= calibration.non_digit_threshold).double().mean().item()
    place = 1 - max(refused, 0.002)  # of fewer than about ten drawings the scores would be too few to go by
    moved = (torch.quantile(scores_after, place) - torch.quantile(scores_before, place)).item()
    return replace(
        calibrate(after, labels),
        non_digit_threshold=calibration.non_digit_threshold + moved,
        unsure_threshold=calibration.unsure_threshold,
    )
