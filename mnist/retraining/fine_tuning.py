"""Fine-tunes the shipped network on people's drawings without forgetting what it knows."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnist.model.calibration import Calibration, calibrate, non_digit_score
from mnist.model.network import DIGITS, DigitNetwork, as_input
from mnist.retraining import trust
from mnist.retraining.replay_data import ReplayData
from mnist.training.augmentation import Augmentation, augment
from mnist.training.datasets import Labelled
from mnist.training.evaluation import by_class, expected_accuracy, is_right, logits_of


@dataclass(frozen=True, slots=True)
class FineTuningHyperparameters:
    """Hyperparameters of fine-tuning; chosen with benchmarks/retrain.py, see docs/experiments.md."""

    peak_rate: float = 1e-3
    batch: int = 256
    feedback_share: float = 0.25  # of each batch, at most; the rest is replayed
    least_share: float = 0.06  # where there are few labels, so that none is seen hundreds of times
    rounds: int = 20  # times that each label is seen, as far as the next two bounds allow; once at least
    fewest_steps: int = 60
    most_steps: int = 300
    augmentation_strength: float = 0.6  # of the usual augmentation
    distillation_temperature: float = 3.0  # softens the base's answers to replayed images, which are their targets
    # Interpolation weights to try, 0 = base and 1 = tuned; validation chooses one.
    alphas: tuple[float, ...] = (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 1.0)


LABELS_FOR_A_PLACE = 4  # labels for each place that feedback has in a batch
StepCallback = Callable[[int, int], None]  # (step, steps), called after every step


def tune(
    base: DigitNetwork,
    feedback: Labelled,
    replay_data: ReplayData,
    hp: FineTuningHyperparameters,
    seed: int,
    progress: StepCallback | None = None,
    weights: Tensor | None = None,
) -> DigitNetwork:
    """A copy of `base`, fine-tuned on `feedback` (not empty) among replayed images.

    weights: (N,) how often each drawing of the feedback is seen, relative to the others; None: all alike.

    Batch norm is frozen, so that the weights can be interpolated. Replay (arXiv 1902.10486) is distilled: the targets
    are the base's answers to the same augmented images (arXiv 1606.09282), which preserves confidence and refusals.
    They are softened (arXiv 1503.02531), which also preserves the ranking of unlikely digits.
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
    most, least = (max(1, round(hp.batch * share)) for share in (hp.feedback_share, hp.least_share))
    new_count = min(most, max(least, len(feedback) // LABELS_FOR_A_PLACE))
    steps_a_round = math.ceil(len(feedback) / new_count)
    steps = max(steps_a_round, min(max(hp.rounds * steps_a_round, hp.fewest_steps), hp.most_steps))
    least_sure = _least_sure(base, replay_data.mnist)
    replay = [(replay_data.mnist, 0.3), (least_sure, 0.3), (replay_data.strokes, 0.28), (replay_data.non_digits, 0.12)]
    sampling_weights = balance(feedback.labels, weights)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = hp.peak_rate * min(1.0, (step + 1) / 10) * 0.5 * (1 + math.cos(math.pi * step / steps))
        new = feedback.take(torch.multinomial(sampling_weights, new_count, replacement=True, generator=generator))
        known = torch.cat([_some(images, round((hp.batch - new_count) * share), generator) for images, share in replay])
        frames = augment(
            as_input(torch.cat([new.frames, known])),
            Augmentation().scaled(hp.augmentation_strength),
            generator,
        )
        frames = frames.to(memory_format=torch.channels_last)
        with torch.no_grad():
            targets = F.softmax(base(frames[new_count:]) / hp.distillation_temperature, dim=1)
        logits = network(frames)
        replay_loss = hp.distillation_temperature**2 * F.cross_entropy(
            logits[new_count:] / hp.distillation_temperature, targets
        )
        share = new_count / hp.batch
        loss = share * F.cross_entropy(logits[:new_count], new.labels, label_smoothing=0.02)
        loss = loss + (1 - share) * replay_loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if progress is not None:
            progress(step + 1, steps)
    return network


def _least_sure(base: nn.Module, images: Labelled) -> Labelled:
    """The tenth of the images whose two likeliest digits are closest; a small change would lose these first."""
    likeliest = logits_of(base, images.frames)[:, :DIGITS].topk(2, dim=1).values
    return images.take((likeliest[:, 0] - likeliest[:, 1]).argsort()[: max(1, len(images) // 10)])


def balance(labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """(N,) sampling weights for (N,) labels; a class weighs the square root of its size, so that none dominates.

    weights: (N,) positive, of each label within its class, and in the class's size; None: all alike.
    """
    weights = torch.ones(len(labels), dtype=torch.double) if weights is None else weights.double()
    sizes = torch.bincount(labels, weights=weights, minlength=DIGITS + 1)
    return weights * sizes[labels].rsqrt()


MOST_EMPHASIS = 10.0  # how often a contradiction is seen for each confirmation, at most
NETWORK_SHARE = 0.25  # of all that is seen of people's drawings, at most from one network


def sampling_weights(contradicts: Tensor, people: Sequence[str], networks: Sequence[str | None]) -> Tensor:
    """(N,) how often each label is seen: contradictions of the base together as often as what confirms it.

    So few of them among many confirmations teach nearly as much as they would alone. Of one person, and of one network
    where there are several, comes at most NETWORK_SHARE. contradicts: (N,) bool. people, networks: as in the exam.
    """
    count = int(contradicts.sum())
    emphasis = min(MOST_EMPHASIS, max(1.0, (len(contradicts) - count) / max(1, count)))
    weights = torch.where(contradicts, emphasis, 1.0).double()
    for names in (people, trust.networks_of(people, networks)):
        group = trust.numbered(names)
        if len(set(names)) > 1 / NETWORK_SHARE:
            weights *= _capped(torch.bincount(group, weights=weights), NETWORK_SHARE)[group]
    return weights


def _capped(sums: Tensor, share: float) -> Tensor:
    """(N,) factors 0..1 for N sums, after which none is more than about that share of all."""
    factors = torch.ones_like(sums)
    for _ in range(20):  # what is taken from one makes the others' shares larger
        most = share * (sums * factors).sum()
        factors *= (most / (sums * factors)).clamp(max=1)
    return factors


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


# How much more of the validation images the network itself may expect to misread. Counted errors are too noisy to
# choose by: of 5,000 images, a few more or fewer are misread by chance from one alpha to the next.
EXPECTED_TOLERANCE = 0.0003  # of the 0.0005 that a version may cost, because chance adds to it on other images
MOST_EXPECTED_TOLERANCE = 0.001  # where people gain: what the gate allows for misread images
PEOPLE_FOR_MNIST = 10  # how much more people must gain than MNIST may lose
MNIST_TOLERANCE, CLASS_TOLERANCE = 0.001, 0.005  # the gate's own, so that nothing is proposed that it would reject
STROKES_TOLERANCE = 0.004
BLIND_ALPHA = 0.3  # largest alpha when no drawings by people are there to choose it by


def choose_alpha(
    base: DigitNetwork,
    tuned: DigitNetwork,
    calibration: Calibration,
    validation: Labelled,
    replay_data: ReplayData,
    hp: FineTuningHyperparameters,
    judges: Tensor | None = None,
) -> tuple[DigitNetwork, Calibration, float]:
    """Choose the best network between `base` and `tuned`; returns it, its calibration, and its alpha.

    calibration: the base's. validation: people's drawings that were not tuned on; may be empty. judges: (N,) what each
    of them weighs; None: all alike.
    An alpha is eligible if its network keeps what the base knows of MNIST and of drawings. That is judged on their
    validation images, by how many are misread and by how many the network itself expects to misread; these may be more
    by a tenth of what people gain on `validation`, up to MOST_EXPECTED_TOLERANCE. Of the eligible
    alphas, the one that reads most of `validation` wins; if that is empty, the largest up to BLIND_ALPHA. If none is
    eligible, the smallest is taken.
    """
    known = (replay_data.mnist_validation, replay_data.strokes_validation)
    labels = torch.cat([images.labels for images in known])

    def measure(network: DigitNetwork) -> tuple[Tensor, list[float], list[float]]:
        parts = [logits_of(network, images.frames) for images in known]
        mnist, strokes = (is_right(part, images.labels) for part, images in zip(parts, known, strict=True))
        logits = torch.cat(parts)
        expected = expected_accuracy(calibrate(logits, labels), parts[0], known[0].labels)
        scores = [mnist.double().mean().item(), strokes.double().mean().item(), expected]
        return logits, scores, by_class(mnist, known[0].labels)

    base_logits, base_scores, base_classes = measure(base)
    judges = torch.ones(len(validation)) if judges is None else judges
    base_right = _right(base, validation, judges)
    best: tuple[float, float, DigitNetwork, Tensor] | None = None
    for alpha in sorted(hp.alphas):
        network = interpolate(base, tuned, alpha)
        logits, scores, classes = measure(network)
        gained = _right(network, validation, judges) - base_right
        tolerance = min(MOST_EXPECTED_TOLERANCE, EXPECTED_TOLERANCE + max(0.0, gained) / PEOPLE_FOR_MNIST)
        keeps = (
            scores[0] >= base_scores[0] - MNIST_TOLERANCE
            and scores[1] >= base_scores[1] - STROKES_TOLERANCE
            and scores[2] >= base_scores[2] - tolerance
            and all(after >= before - CLASS_TOLERANCE for before, after in zip(base_classes, classes, strict=True))
        )
        if best is not None and not keeps:
            break  # a larger alpha would not regain what is lost
        score = _score(network, validation, judges) if len(validation) else (alpha if alpha <= BLIND_ALPHA else 0.0)
        if best is None or score >= best[0]:
            best = (score, alpha, network, logits)
    assert best is not None, "there is an alpha to choose"
    _, alpha, network, logits = best
    return network, recalibrate(calibration, base_logits, logits, labels), alpha


def _right(network: DigitNetwork, validation: Labelled, judges: Tensor) -> float:
    """Weighted accuracy, 0..1; 0 where there is nothing to judge by."""
    if len(validation) == 0:
        return 0.0
    right = is_right(logits_of(network, validation.frames), validation.labels)
    return float((right * judges).sum() / judges.sum())


def _score(network: DigitNetwork, validation: Labelled, judges: Tensor) -> float:
    """Weighted accuracy, with the likelihood as tie-breaker; each loss is clamped, because its label may be wrong."""
    logits = logits_of(network, validation.frames)
    losses = F.cross_entropy(logits, validation.labels, reduction="none").clamp(max=4)
    scores = is_right(logits, validation.labels).double() - 0.01 * losses
    return float((scores * judges).sum() / judges.sum())


def recalibrate(calibration: Calibration, before: Tensor, after: Tensor, labels: Tensor) -> Calibration:
    """Calibrate a changed network: the temperature is fitted anew, the threshold refuses as many digits as before.

    before, after: (N, 11) logits of the same digits, by the network of `calibration` and by the changed one.
    labels: (N,) 0..9.
    """
    scores_before, scores_after = non_digit_score(before).double(), non_digit_score(after).double()
    refused = (scores_before >= calibration.non_digit_threshold).double().mean().item()
    place = 1 - max(refused, 0.002)  # nearer to 1, the quantile would rest on fewer than about ten drawings
    moved = (torch.quantile(scores_after, place) - torch.quantile(scores_before, place)).item()
    return replace(
        calibrate(after, labels),
        non_digit_threshold=calibration.non_digit_threshold + moved,
        unsure_threshold=calibration.unsure_threshold,
    )
