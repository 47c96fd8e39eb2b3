"""How far a person's labels can be trusted: how often they contradict what nobody could take for anything else."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mnist.model.network import DIGITS

# Chosen with benchmarks/retrain.py; see docs/experiments.md.
EXPECTED, STRENGTH = 0.01, 50  # error rate that is expected of everybody, and how many labels that expectation weighs
OF_A_PERSON = 3  # how many labels everybody's rate weighs in a person's
OF_A_NETWORK = 20  # the same of the expected rate in a network's; and most labels of a network in everybody's rate
USUAL = 0.1  # quantile of known images' closeness to the next one, from which on a drawing resembles a known image
AGREE = 0.9  # share of the nearest known images that carry what the base reads


def numbered(names: Sequence[str]) -> Tensor:
    """(N,) int64: the same number for the same name, from 0 on."""
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    return torch.tensor([numbers[name] for name in names], dtype=torch.long)


def networks_of(people: Sequence[str], networks: Sequence[str | None]) -> list[str]:
    """A name for each label's network; a session without one, which a key vouches for, is a network of its own."""
    return [
        f"session {person}" if network is None else f"network {network}"
        for person, network in zip(people, networks, strict=True)
    ]


def usual_closeness(known: Tensor) -> float:
    """The USUAL quantile of the cosine between a known image and the nearest other one; known: (M, D) features."""
    some = known[:: max(1, len(known) // 256)]
    closest = (some @ known.T).topk(min(2, len(known)), dim=1).values[:, -1]
    return float(torch.quantile(closest, USUAL))


def is_plain(beliefs: Tensor, closest: Tensor, nearest: Tensor, usual: float, sure: float) -> Tensor:
    """(N,) bool: whether there is no doubt about what a drawing shows.

    The base is sure of a digit, the nearest known images carry it, and the first is as close as they usually are.
    beliefs: (N, 11). closest: (N,) cosines. nearest: (N, K) labels. usual: from `usual_closeness`. sure: 0..1.
    """
    belief, digit = beliefs[:, :DIGITS].max(dim=1)
    agree = (nearest == digit[:, None]).double().mean(dim=1) >= AGREE
    return (belief >= sure) & agree & (closest >= usual)


def error_rates(slips: Tensor, sure: Tensor, considered: Tensor, who: Tensor, where: Tensor) -> tuple[Tensor, float]:
    """How often a label is wrong, 0..1: (N,) for its person, or their network if that is more; and for everybody.

    Counted are labels that contradict what is plain, `slips`, among those and the ones that the base is `sure` of, but
    at least half of all `considered`: people who only correct say nothing of what is read right. All three (N,) bool.
    who, where: (N,) numbers of the person and of the network.
    """
    alike = torch.ones(len(who), dtype=torch.double)
    # Capped, so that a crowd of invented sessions does not make everybody else look careless.
    capped = (OF_A_NETWORK / torch.bincount(where[considered], minlength=len(where)).clamp(min=1)).clamp(max=1)[where]

    def rates(group: Tensor, weights: Tensor, expected: float, strength: float) -> Tensor:
        wrong, clear, all_ = (
            torch.bincount(group, weights=weights * each) for each in (slips, slips | sure, considered)
        )
        return (wrong + strength * expected) / (torch.maximum(clear, all_ / 2) + strength)

    everybody = float(rates(torch.zeros_like(who), capped, EXPECTED, STRENGTH))
    person, network = (
        rates(who, alike, everybody, OF_A_PERSON),
        rates(where, alike, min(everybody, EXPECTED), OF_A_NETWORK),
    )
    return torch.maximum(person[who], network[where]), everybody
