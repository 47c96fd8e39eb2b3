"""fit(): a network learns from sources of images."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from mnist.model.network import as_input
from mnist.training.augmentation import Augmentation, augment
from mnist.training.datasets import Labelled

STATISTICS_BATCHES = 41  # of 500 images


@dataclass(frozen=True, slots=True)
class Source:
    """Images of one origin, and how many of them an epoch uses."""

    images: Labelled
    per_epoch: int


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """How to fit; the defaults train the shipped network from scratch."""

    epochs: int = 40
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


Network = TypeVar("Network", bound=nn.Module)
Progress = Callable[[int, int, float | None], None]  # (step, steps, loss) after every step; the loss now and then only


def fit(
    network: Network,
    sources: Sequence[Source],
    hp: Hyperparameters,
    seed: int,
    device: torch.device,
    progress: Progress | None = None,
) -> Network:
    """Train `network` in place; returns its moving average, the one to use, with batch-norm statistics of its own.

    AdamW under a one-cycle cosine. Every epoch takes `per_epoch` images of each source, shuffled together.
    """
    generator = torch.Generator().manual_seed(seed)
    network = network.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(hp.average))
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    undecayed = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": hp.weight_decay}, {"params": undecayed, "weight_decay": 0.0}],
        lr=hp.peak_rate,
        betas=(0.9, 0.99),
    )
    images, labels, orders = _pool(sources)
    steps = hp.epochs * math.ceil(sum(source.per_epoch for source in sources) / hp.batch)
    half = torch.autocast(device.type, torch.bfloat16, enabled=hp.half and computes_in_half(device))
    step = 0
    for _ in range(hp.epochs):
        for rows in _epoch(orders, hp.batch, generator):
            done = step / steps
            for group in optimiser.param_groups:
                group["lr"] = hp.peak_rate * _one_cycle(done, hp.warm_up)
            strength = 1 - (1 - hp.gentle_end) * max(0.0, done - 0.5) * 2
            frames = augment(as_input(images[rows]), hp.augmentation.scaled(strength), generator)
            frames = frames.to(device, memory_format=torch.channels_last)
            with half:
                logits = network(frames)
            loss = F.cross_entropy(logits.float(), labels[rows].to(device), label_smoothing=hp.label_smoothing)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            averaged.update_parameters(network)
            step += 1
            if progress is not None:
                progress(step, steps, loss.item() if step % 20 == 0 else None)
    result = cast(Network, copy.deepcopy(averaged.module))
    mild = hp.augmentation.scaled(hp.gentle_end)
    # The running statistics belong to other weights: those of the average are measured over about 20,000 images.
    bent = (augment(as_input(images[rows]), mild, generator) for rows in _epoch(orders, 500, generator))
    update_bn((each.to(memory_format=torch.channels_last) for each in islice(bent, STATISTICS_BATCHES)), result, device)
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
    for source in [source for source in sources if len(source.images)]:
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
