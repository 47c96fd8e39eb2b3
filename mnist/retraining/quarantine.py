"""Which labels a retraining believes, and why it sets the others aside."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist.model.network import DIGITS, DigitNetwork
from mnist.training.datasets import Labelled
from mnist.training.evaluation import features_of, logits_of

# Why a label is set aside; `predictions.set_aside` holds these words.
BLANK = "blank"  # no ink, or no longer a readable picture
LABELLED_NON_DIGIT = "not_a_digit"  # a person said so: nothing to learn a digit from
NOT_PARTED = "not_parted"  # a number that does not fall into as many digits as it was said to have
DUPLICATE = "duplicate"  # the same picture was labelled before
DISPUTED = "disputed"  # quarantine: the network and its neighbours say otherwise, and nobody else agrees
SESSION_CAP = "session_cap"  # this person has taught enough
LABEL_CAP = "label_cap"  # there is enough of this digit
# Measured by benchmarks/retrain.py; docs/retraining.md has the rates at which they let the right ones through.
FIRMLY = 0.05  # the base gives the label less than this
NEIGHBOURS, NEIGHBOURS_SHARE = 10, 0.15  # of the images that the base knows, the fewest that carry the label
SUPPORTERS, SUPPORTERS_SHARE = 7, 0.5  # of the nearest drawings by other people, the fewest that carry the label
LIKELIEST = 2  # what a supporter says is among as many digits that the base finds likeliest
LEEWAY = 0.1  # in cosine; a supporter may be this much further away than the ten known images, not more
OPPONENTS = 6  # of them, nearer than the known images and with another label: they dispute what the base believes
SURE = 0.97  # the base gives the label more than this: nobody disputes it
AROUND = 100  # of the nearest drawings by others, among whom SUPPORTERS that are not set aside are looked for
PASSES = 3  # what is set aside has no vote in the next pass
FEW, CROWD, MOST = 3, 10, 0.5  # labels of a person, people, and how many of both are disputed where a mob is at work
ROUNDS = 4  # of PASSES; the mob has no vote in the next round
AT_ONCE = 256  # rows whose neighbours are looked for together: fewer are slower, more take memory
NOBODY = -2.0  # a cosine that no two drawings have


@dataclass(frozen=True, slots=True)
class Caps:
    """How much one person, or one digit, may weigh."""

    per_session: int  # labels
    per_label: int  # labels; more when the others have more, see `filter_labels`


def filter_labels(
    given: Labelled, people: Sequence[str], base: DigitNetwork, known: Labelled, caps: Caps
) -> list[str | None]:
    """What is wrong with each label; None: believed.

    given: drawings with the digits 0..9 that people said they are, oldest first; people: who said it, one for each.
    known: images whose labels are certain, for the neighbours.
    A label is disputed when the base network gives it less than FIRMLY, hardly any of the nearest known images (cosine
    distance in the base's features) carry it, and most of the nearest drawings by other people carry another one, are
    much further away than what is known, or have a label that is not what the base came close to: people who correct
    its mistakes mostly name that, and many who agree on something else do not support each other.
    It is also disputed when the base is not SURE of it and nearly all of these drawings carry another one and are
    nearer than what is known: a wrong label may be the very mistake that the base makes and that others correct.
    Where most labels of most people are disputed, those that the base is not SURE of are disputed, too, of whoever has
    mostly such: what they say is not what people say who correct mistakes. One person, or a few, are no such mob.
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
        same[hashlib.blake2b(frame, digest_size=16).digest()].append(row)
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
    rows = torch.nonzero((belief < SURE) & chosen).flatten()
    if len(rows) == 0:
        return []
    is_likely = (beliefs[:, :DIGITS] > belief[:, None]).sum(dim=1) < LIKELIEST
    features, labels = features_of(base, given.frames), given.labels
    closeness, nearest = _nearest(features, rows, features_of(base, known.frames), NEIGHBOURS)
    alone = (known.labels[nearest] == labels[rows, None]).double().mean(dim=1) < NEIGHBOURS_SHARE
    doubtful, reach = (belief[rows] < FIRMLY) & alone, closeness[:, -1]
    numbers = {person: number for number, person in enumerate(sorted(set(people)))}
    who = torch.tensor([numbers[person] for person in people])
    around = _nearest(features, rows, features, AROUND, lambda part: ~chosen | (who[part][:, None] == who))
    disputed, of_mob = (torch.zeros(len(given), dtype=torch.bool) for _ in range(2))
    for _ in range(ROUNDS):
        for _ in range(PASSES):
            support, opponents = _votes(around, labels, rows, ~(disputed | of_mob), reach, is_likely)
            before, disputed = disputed, torch.zeros_like(disputed)
            disputed[rows[(doubtful & (support < SUPPORTERS_SHARE)) | (opponents >= OPPONENTS)]] = True
            if torch.equal(before, disputed):
                break
        found = _coordinated(disputed | of_mob, who, chosen)
        more = rows[found[who[rows]] & ~of_mob[rows]]
        if len(more) == 0:
            break
        of_mob[more] = True
    return torch.nonzero(disputed | of_mob).flatten().tolist()


def _coordinated(disputed: Tensor, who: Tensor, considered: Tensor) -> Tensor:
    """(people,) bool: most of whose labels are disputed, where that is so of most people; disputed, …: (N,)."""
    people = int(who.max()) + 1
    given, found = (torch.bincount(who[each], minlength=people) for each in (considered, disputed))
    heard = given >= FEW
    members = heard & (found >= MOST * given)
    is_mob = heard.sum() >= CROWD and members.sum() >= MOST * heard.sum()
    return members if is_mob else torch.zeros_like(members)


def _nearest(
    features: Tensor, rows: Tensor, among: Tensor, count: int, barred: Callable[[Tensor], Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """(closeness, indices) of those `among` nearest to each of the rows, nearest first, both (rows, `count` at most).

    features, among: (N, D), (M, D), of unit length. barred: of some rows, the (rows, M) bool mask of excluded
    candidates. Closeness is NOBODY where there are no more.
    """
    count = min(count, len(among))
    # Made beforehand: results between the large blocks keep the memory of those from being used again.
    closeness, indices = torch.empty(len(rows), count), torch.empty(len(rows), count, dtype=torch.long)
    for start in range(0, len(rows), AT_ONCE):
        place = slice(start, start + AT_ONCE)
        cosines = features[rows[place]] @ among.T
        if barred is not None:
            cosines.masked_fill_(barred(rows[place]), NOBODY)
        torch.topk(cosines, count, dim=1, out=(closeness[place], indices[place]))
    return closeness, indices


def _votes(
    around: tuple[Tensor, Tensor], labels: Tensor, rows: Tensor, votes: Tensor, reach: Tensor, is_likely: Tensor
) -> tuple[Tensor, Tensor]:
    """Of each row's nearest drawings by others: the share with its label, and how many within reach have another.

    Where nobody else drew, both are 0. votes: (N,) who is asked. reach: (rows,) the closeness of known images; far
    beyond is no support. is_likely: (N,) whose own label the base comes close to; the others support nobody.
    """
    closeness, indices = around
    is_asked = votes[indices] & (closeness > NOBODY)
    is_asked &= is_asked.cumsum(dim=1) <= SUPPORTERS
    says_so = labels[indices] == labels[rows][:, None]
    backs = is_asked & says_so & is_likely[indices] & (closeness > reach[:, None] - LEEWAY)
    opposes = is_asked & ~says_so & (closeness > reach[:, None])
    return backs.sum(dim=1) / is_asked.sum(dim=1).clamp(min=1), opposes.sum(dim=1)
