"""Training: fit() a network to sources of images; train() makes the shipped one from MNIST and stroke-drawn images."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mnist.calibration import Calibration, area_under_roc, calibrate, calibration_error, outlier_score
from mnist.data import Augmentation, Labelled, augment, split
from mnist.network import DIGITS, DigitNetwork, as_input
from mnist.outliers import held_out_kinds, outliers, training_kinds
from mnist.strokes import Drawn, digits, held_out_styles, training_styles


@dataclass(frozen=True, slots=True)
class Source:
    """Images of one origin, and how many of them an epoch uses."""

    images: Labelled
    per_epoch: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to fit; the defaults train the shipped network from scratch."""

    epochs: int = 30
    batch: int = 256
    peak_rate: float = 6e-3
    warm_up: float = 0.15  # share of the steps
    weight_decay: float = 0.05
    label_smoothing: float = 0.02
    average: float = 0.998  # weight of the past in the moving average of the weights, a step
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(12, shear=0.22, scale=0.13, shift=1.5, elastic=1.0, thickness=0.35)
    )
    gentle_end: float = 0.3  # the augmentation shrinks to this share towards the end
    half: bool = True  # multiply bfloat16 where the device does that faster; another device then gives other weights
    minutes: float = math.inf  # on a slow machine the cycle is shortened so that it ends in time; costs repeatability


Network = TypeVar("Network", bound=nn.Module)
Progress = Callable[[int, int, float | None], None]  # (step, steps, loss) after every step; the loss now and then only


def fit(
    network: Network,
    sources: Sequence[Source],
    recipe: Recipe,
    seed: int,
    device: torch.device,
    progress: Progress | None = None,
) -> Network:
    """Train `network` in place; returns its moving average, the one to use, with batch-norm statistics of its own.

    AdamW under a one-cycle cosine. Every epoch takes `per_epoch` images of each source, shuffled together.
    """
    generator = torch.Generator().manual_seed(seed)
    network = network.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.average))
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    undecayed = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": undecayed, "weight_decay": 0.0}],
        lr=recipe.peak_rate,
        betas=(0.9, 0.99),
    )
    images, labels, orders = _pool(sources)
    steps = recipe.epochs * math.ceil(sum(source.per_epoch for source in sources) / recipe.batch)
    half = torch.autocast(device.type, torch.bfloat16, enabled=recipe.half and computes_in_half(device))
    step = 0
    started = time.perf_counter()
    for _ in range(recipe.epochs):
        for rows in _epoch(orders, recipe.batch, generator):
            done = max(step / steps, (time.perf_counter() - started) / (60 * recipe.minutes))
            if done >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = recipe.peak_rate * _one_cycle(done, recipe.warm_up)
            strength = 1 - (1 - recipe.gentle_end) * max(0.0, done - 0.5) * 2
            frames = augment(as_input(images[rows]), recipe.augmentation.scaled(strength), generator)
            frames = frames.to(device, memory_format=torch.channels_last)
            with half:
                logits = network(frames)
            loss = F.cross_entropy(logits.float(), labels[rows].to(device), label_smoothing=recipe.label_smoothing)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            averaged.update_parameters(network)
            step += 1
            if progress is not None:
                progress(step, steps, loss.item() if step % 20 == 0 else None)
    result = cast(Network, copy.deepcopy(averaged.module))
    mild = recipe.augmentation.scaled(recipe.gentle_end)
    _measure_statistics(result, images, orders, mild, generator, device)
    return result.eval()


def computes_in_half(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 faster than float32: two thirds of the time (docs/model.md)."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def _one_cycle(done: float, warm_up: float) -> float:
    """Share of the peak rate after `done` (0..1) of the steps."""
    if done < warm_up:
        return 0.04 + 0.96 * done / warm_up
    return 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) * 0.999 + 0.001


def _pool(sources: Sequence[Source]) -> tuple[Tensor, Tensor, list[tuple[int, int, int]]]:
    """All images in one tensor, their labels, and for each source (first row, rows, rows an epoch)."""
    images = torch.cat([source.images.frames for source in sources])
    labels = torch.cat([source.images.labels for source in sources])
    orders, first = [], 0
    for source in sources:
        orders.append((first, len(source.images), source.per_epoch))
        first += len(source.images)
    return images, labels, orders


def _epoch(orders: list[tuple[int, int, int]], batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows of one epoch in batches: a fresh sample of each source, row counts differ by at most one."""
    chosen = []
    for first, count, wanted in orders:
        rounds = math.ceil(wanted / count)
        rows = torch.cat([torch.randperm(count, generator=generator) for _ in range(rounds)])[:wanted]
        chosen.append(rows + first)
    rows = torch.cat(chosen)
    yield from rows[torch.randperm(len(rows), generator=generator)].split(batch)


def _measure_statistics(
    network: nn.Module,
    images: Tensor,
    orders: list[tuple[int, int, int]],
    how: Augmentation,
    generator: torch.Generator,
    device: torch.device,
) -> None:
    """Batch-norm statistics of the averaged weights over about 20,000 images: the running ones belong to others."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain mean over all batches
    network.train()
    with torch.no_grad():
        for number, rows in enumerate(_epoch(orders, 500, generator)):
            frames = augment(as_input(images[rows]), how, generator)
            network(frames.to(device, memory_format=torch.channels_last))
            if number == 40:
                break


@torch.inference_mode()
def logits_of(network: nn.Module, frames: Tensor, device: torch.device | None = None) -> Tensor:
    """(N, 28, 28) uint8 -> (N, 11) float32 logits on the CPU."""
    device = device or next(network.parameters()).device
    network.eval()
    batches = [
        network(as_input(part).to(device, memory_format=torch.channels_last)).float().cpu()
        for part in frames.split(500)
    ]
    return torch.cat(batches)


def is_right(logits: Tensor, labels: Tensor) -> Tensor:
    """(N, 11), (N,) -> (N,) bool: the likeliest digit is the label, whatever the eleventh logit says."""
    return logits[:, :DIGITS].argmax(dim=1) == labels


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of images that are read right."""
    return is_right(logits, labels).double().mean().item()


# --- the shipped network ---


@dataclass(frozen=True, slots=True)
class Plan:
    """What the shipped network is trained on; docs/model.md says why."""

    recipe: Recipe = field(default_factory=Recipe)
    widths: tuple[int, int, int] = (24, 56, 80)
    strokes: int = 200_000  # drawings in the pool of stroke-drawn digits …
    outliers: int = 60_000  # … and of things that are no digit
    strokes_per_epoch: int = 48_000
    outliers_per_epoch: int = 15_000
    trained_styles: int = 8_000  # for validation, as are …
    held_out_styles: int = 12_000
    held_out_kinds: int = 6_000

    def with_epochs(self, epochs: int) -> Plan:
        """The same with another number of epochs; fewer have as many drawings fewer: one takes less than a minute."""
        share = min(1.0, epochs / self.recipe.epochs)
        strokes, outliers = int(self.strokes * share), int(self.outliers * share)
        checked = max(share, 0.1)  # of what validates
        recipe = replace(
            self.recipe,
            epochs=epochs,
            batch=self.recipe.batch if epochs > 3 else self.recipe.batch // 2,  # more steps, where there are few
            average=1 - (1 - self.recipe.average) / share,  # over the same share of the run, not over its beginning
        )
        return replace(
            self,
            recipe=recipe,
            strokes=strokes,
            outliers=outliers,
            strokes_per_epoch=min(strokes, self.strokes_per_epoch),
            outliers_per_epoch=min(outliers, self.outliers_per_epoch),
            trained_styles=int(self.trained_styles * checked),
            held_out_styles=int(self.held_out_styles * checked),
            held_out_kinds=int(self.held_out_kinds * checked),
        )

    @property
    def drawings(self) -> int:
        return self.strokes + self.outliers + self.trained_styles + self.held_out_styles + self.held_out_kinds


@dataclass(frozen=True, slots=True)
class Scores:
    """How a network does on one set of digits."""

    accuracy: float
    calibration_error: float  # 0..1, of the calibrated probabilities
    refused: float  # share of digits called "not a digit"
    unsure: float


@dataclass(frozen=True, slots=True)
class Trained:
    network: DigitNetwork
    calibration: Calibration
    seconds: float
    validation: dict[str, Scores]  # by name of the set
    outlier_auroc: float  # held-out kinds against held-out styles
    outliers_caught: float  # share of held-out kinds called "not a digit"


@dataclass(frozen=True, slots=True)
class Drawings:
    """What the generator contributes: pools to train on, and styles and kinds that training never sees."""

    strokes: Labelled
    outliers: Labelled
    trained_styles: Labelled  # other drawings in the styles of training
    held_out_styles: Labelled
    held_out_kinds: Labelled


DRAWINGS_SEED = 20_000  # the drawings are the same whatever seed trains, so that seeds compare


def make_drawings(plan: Plan, workers: int, progress: Drawn | None = None) -> Drawings:
    """Draw everything that training and its validation need, in `workers` processes (about 800 drawings/s each)."""
    seed = DRAWINGS_SEED
    return Drawings(
        strokes=digits(plan.strokes, seed, training_styles(), workers, progress),
        outliers=outliers(plan.outliers, seed + 1, training_kinds(), workers, progress),
        trained_styles=digits(plan.trained_styles, seed + 2, training_styles(), workers, progress),
        held_out_styles=digits(plan.held_out_styles, seed + 3, held_out_styles(), workers, progress),
        held_out_kinds=outliers(plan.held_out_kinds, seed + 4, held_out_kinds(), workers, progress),
    )


def train(
    mnist: Labelled, drawings: Drawings, plan: Plan, seed: int, device: torch.device, progress: Progress | None = None
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
        Source(drawings.outliers, plan.outliers_per_epoch),
    ]
    network = fit(DigitNetwork(plan.widths), sources, plan.recipe, seed, device, progress)
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
    outlier_scores = outlier_score(logits_of(network, drawings.held_out_kinds.frames, device))
    return Trained(
        network=network,
        calibration=calibration,
        seconds=time.perf_counter() - started,
        validation={name: score(logits[name], sets[name].labels, calibration) for name in sets},
        outlier_auroc=area_under_roc(outlier_score(logits["held_out_styles"]), outlier_scores),
        outliers_caught=(outlier_scores >= calibration.not_a_digit).double().mean().item(),
    )


def score(logits: Tensor, labels: Tensor, calibration: Calibration) -> Scores:
    """logits: (N, 11) of digits; labels: (N,) 0..9."""
    probabilities = calibration.probabilities(logits)
    refused = outlier_score(logits) >= calibration.not_a_digit
    unsure = (probabilities.amax(dim=1) < calibration.unsure) & ~refused
    return Scores(
        accuracy=accuracy(logits, labels),
        calibration_error=calibration_error(probabilities, labels),
        refused=refused.double().mean().item(),
        unsure=unsure.double().mean().item(),
    )
