"""The exam: whether a candidate reads people's labels better or worse, with no person and no network above its cap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mnist.retraining import trust

PERSON_MAY_WEIGH, NETWORK_MAY_WEIGH = 10, 30  # labels
FEWEST = 3  # networks, or else people, from which on the one that loses most is left out: nobody decides alone


@dataclass(frozen=True, slots=True)
class Change:
    """What a candidate loses and wins, in labels; a capped person's label is less than one."""

    lost: float
    won: float
    of: float = 0.0  # weight of all labels that were compared
    blocked_by: int = 0  # sessions whose labels were lost
    others_lost: float = 0.0  # the same without the network that wins most
    others_won: float = 0.0


def weights(people: Sequence[str], networks: Sequence[str | None]) -> Tensor:
    """(N,) what each label weighs, 0..1: all of a person's at most PERSON_MAY_WEIGH, of a network's NETWORK_MAY_WEIGH.

    people, networks: N, as for `quarantine.filter_labels`.
    """
    found = torch.ones(len(people), dtype=torch.double)
    for names, most in ((people, PERSON_MAY_WEIGH), (trust.networks_of(people, networks), NETWORK_MAY_WEIGH)):
        group = trust.numbered(names)
        found *= (most / torch.bincount(group, weights=found).clamp(min=1)).clamp(max=1)[group]
    return found


def compare(before: Tensor, after: Tensor, people: Sequence[str], networks: Sequence[str | None]) -> Change:
    """How two versions differ on N labels. before, after: (N,) bool, which labels each reads right.

    The network that loses most is left out, so that a single visitor can't stop a candidate. Where there are fewer than
    FEWEST networks, such as on a laptop or in a class behind one router, that is a person; where there are fewer
    people, too, nobody is left out.
    """
    weight = weights(people, networks)
    lost, won = weight * (before & ~after), weight * (~before & after)
    blockers = len({person for person, is_lost in zip(people, before & ~after, strict=True) if is_lost})
    many = [names for names in (trust.networks_of(people, networks), people) if len(set(names)) >= FEWEST]
    others = torch.ones(len(people), dtype=torch.bool)
    if many:
        group = trust.numbered(many[0])
        net = torch.bincount(group, weights=won - lost)
        lost, won = lost * (group != net.argmin()), won * (group != net.argmin())
        others = group != net.argmax()
    without = float((lost * others).sum()), float((won * others).sum())
    return Change(float(lost.sum()), float(won.sum()), float(weight.sum()), blockers, *without)
