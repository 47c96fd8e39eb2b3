"""Which labels a retraining believes, and why it sets the others aside."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist.data import Labelled
from mnist.network import DIGITS, DigitNetwork
from mnist.training import logits_of
from mnist.tuning import features_of

# Why a label is set aside; `predictions.set_aside` holds these words.
BLANK = "blank"  # no ink, or no longer a readable picture
NOT_A_DIGIT = "not_a_digit"  # a person said so: nothing to learn a digit from
NOT_PARTED = "not_parted"  # a number that does not fall into as many digits as it was said to have
DUPLICATE = "duplicate"  # the same picture was labelled before
DISPUTED = "disputed"  # quarantine: the network and its neighbours say otherwise, and nobody else agrees
SESSION_CAP = "session_cap"  # this person has taught enough
LABEL_CAP = "label_cap"  # there is enough of this digit

# Measured by benchmarks/retrain.py; docs/retraining.md has the rates at which they let the right ones through.
FIRMLY = 0.05  # the base gives the label less than this
NEIGHBOURS, NEIGHBOURS_SHARE = 10, 0.15  # of the images that the base knows, the fewest that carry the label
SUPPORTERS, SUPPORTERS_SHARE = 7, 0.5  # of the nearest drawings by other people, the fewest that carry the label
PASSES = 3  # who is set aside has no vote in the next pass


@dataclass(frozen=True, slots=True)
class Caps:
    """How much one person, or one digit, may weigh."""

    per_session: int  # labels
    per_label: int  # labels; more when the others have more, see `judge`


def judge(given: Labelled, people: Sequence[str], base: DigitNetwork, known: Labelled, caps: Caps) -> list[str | None]:
    """What is wrong with each label; None: believed.

    given: drawings with the digits 0..9 that people said they are, oldest first; people: who said it, one for each.
    known: images whose labels are certain, for the neighbours.
    A label is disputed when the base network gives it less than FIRMLY, hardly any of the nearest known images (cosine
    distance in the base's features) carry it, and most of the nearest drawings by other people carry another one.
    A digit may have three times as many labels as the mean over the ten, or `caps.per_label` if that is more.
    """
    verdicts = _duplicates(given)
    for row in _disputed(given, people, base, known, [verdict is None for verdict in verdicts]):
        verdicts[row] = DISPUTED
    taught: Counter[str] = Counter()
    for row, person in enumerate(people):
        if verdicts[row] is None:
            taught[person] += 1
            if taught[person] > caps.per_session:
                verdicts[row] = SESSION_CAP
    believed = [row for row, verdict in enumerate(verdicts) if verdict is None]
    most = max(caps.per_label, 3 * len(believed) // DIGITS)
    labels: Counter[int] = Counter()
    for row in believed:
        label = int(given.labels[row])
        labels[label] += 1
        if labels[label] > most:
            verdicts[row] = LABEL_CAP
    return verdicts


def _duplicates(given: Labelled) -> list[str | None]:
    """The first of equal frames counts; if equal frames have different labels, none does."""
    verdicts: list[str | None] = [None] * len(given)
    same: defaultdict[bytes, list[int]] = defaultdict(list)
    for row, frame in enumerate(given.frames.numpy()):
        same[frame.tobytes()].append(row)
    for rows in same.values():
        if len(rows) > 1:
            agree = len(set(given.labels[rows].tolist())) == 1
            for row in rows[1:] if agree else rows:
                verdicts[row] = DUPLICATE if agree else DISPUTED
    return verdicts


def _disputed(
    given: Labelled, people: Sequence[str], base: DigitNetwork, known: Labelled, considered: Sequence[bool]
) -> list[int]:
    """Rows, of the considered ones, whose label is disputed."""
    chosen = torch.tensor(considered, dtype=torch.bool)
    beliefs = F.softmax(logits_of(base, given.frames), dim=1) if len(given) else torch.empty(0, DIGITS + 1)
    belief = beliefs[torch.arange(len(given)), given.labels]
    doubtful = torch.nonzero((belief < FIRMLY) & chosen).flatten()
    if len(doubtful) == 0:
        return []
    features = features_of(base, given.frames)
    labels = given.labels[doubtful]
    alone = _share(features[doubtful], labels, features_of(base, known.frames), known.labels, NEIGHBOURS)
    doubtful = doubtful[alone < NEIGHBOURS_SHARE]
    numbers = {person: number for number, person in enumerate(sorted(set(people)))}
    who = torch.tensor([numbers[person] for person in people])
    disputed = torch.zeros(len(given), dtype=torch.bool)
    for _ in range(PASSES):
        voters = torch.nonzero(chosen & ~disputed).flatten()
        support = _support(features, given.labels, who, doubtful, voters)
        before, disputed = disputed, torch.zeros_like(disputed)
        disputed[doubtful[support < SUPPORTERS_SHARE]] = True
        if torch.equal(before, disputed):
            break
    return torch.nonzero(disputed).flatten().tolist()


def _share(queries: Tensor, labels: Tensor, features: Tensor, answers: Tensor, nearest: int) -> Tensor:
    """(Q,) of each query's nearest rows, the share whose answer is its label. Features: unit length."""
    shares = []
    for part, wanted in zip(queries.split(256), labels.split(256), strict=True):
        near = (part @ features.T).topk(min(nearest, len(features)), dim=1).indices
        shares.append((answers[near] == wanted[:, None]).double().mean(dim=1))
    return torch.cat(shares) if shares else torch.empty(0, dtype=torch.float64)


def _support(features: Tensor, labels: Tensor, who: Tensor, rows: Tensor, voters: Tensor) -> Tensor:
    """(rows,) of each row's nearest drawings by other people, the share with its label; 0 where nobody else drew."""
    shares = []
    for part in rows.split(256):
        closeness = features[part] @ features[voters].T
        closeness[who[part][:, None] == who[voters][None]] = -2.0
        near = closeness.topk(min(SUPPORTERS, len(voters)), dim=1)
        others = near.values > -2.0
        agree = (labels[voters][near.indices] == labels[part][:, None]) & others
        shares.append(agree.sum(dim=1) / others.sum(dim=1).clamp(min=1))
    return torch.cat(shares) if shares else torch.empty(0)
