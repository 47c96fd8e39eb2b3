"""The label filter: which labels a retraining learns from, and why it sets the others aside."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mnist.model.network import DIGITS, DigitNetwork
from mnist.retraining import trust
from mnist.training.datasets import Labelled
from mnist.training.evaluation import features_of, logits_of

# Why a label is set aside; `predictions.set_aside` holds these words.
BLANK = "blank"  # no ink, or no longer a readable picture
LABELLED_NON_DIGIT = "not_a_digit"  # the label is "not a digit": nothing to learn a digit from
NOT_PARTED = "not_parted"  # the picture does not split into as many digits as the label has
DUPLICATE = "duplicate"  # the same picture was labelled before
DISPUTED = "disputed"  # quarantine: label noise, or coordinated labels; see `filter_labels`
SESSION_CAP = "session_cap"  # more labels than one person may contribute
LABEL_CAP = "label_cap"  # more labels than one digit may have
# Chosen with benchmarks/retrain.py; docs/retraining.md has the rates at which right labels pass.
FIRMLY = 0.05  # probability of the label by the base, below which it is doubtful
WARY = 2  # a doubtful label is forgiven if it is this many times likelier to be right than given by mistake
CARELESS = 0.2  # error rate above which, unless twice everybody's is higher, a person has no vote
NEIGHBOURS, NEIGHBOURS_SHARE = 10, 0.15  # nearest known images, and the smallest share of them that carries the label
SUPPORTERS, SUPPORTERS_SHARE = 7, 0.5  # nearest drawings by others, and the smallest share of them that supports it
LIKELIEST = 2  # a supporter's own label is among this many digits that the base finds likeliest for it
LEEWAY = 0.1  # in cosine: how much further away than the NEIGHBOURS known images a supporter may be
OPPONENTS = 6  # of the SUPPORTERS, those with another label and nearer than the known images that dispute a label
OF_ONE_PERSON, OF_ONE_NETWORK = 2, 3  # of the SUPPORTERS, at most
SURE = 0.97  # probability of the label by the base, from which on it is not disputed
AROUND = 100  # nearest drawings by others in which SUPPORTERS that are not disputed are searched
PASSES = 3  # a disputed label has no vote in the next pass
FEW, CROWD, MOST = 3, 10, 0.5  # coordinated labels: labels of a person, people, disputed share of both; each at least
ROUNDS = 4  # of PASSES; coordinated labels have no vote in the next round
AT_ONCE = 256  # rows whose neighbours are searched together; fewer are slower, more take memory
NOBODY = -2.0  # below every cosine: there is no such drawing


@dataclass(frozen=True, slots=True)
class Caps:
    """How much one person, or one digit, may weigh."""

    per_session: int  # labels
    per_label: int  # labels; more if the other digits have more, see `filter_labels`


def filter_labels(
    given: Labelled,
    people: Sequence[str],
    base: DigitNetwork,
    known: Labelled,
    caps: Caps,
    networks: Sequence[str | None] | None = None,
    are_parts: Sequence[bool] | None = None,
) -> list[str | None]:
    """The reason to set each label aside, or None to learn from it.

    given: N drawings, labelled 0..9 by people, oldest first. people: who gave each label, N session ids.
    networks: where from, N digests; None: each session stands for itself, because a key vouches for it.
    are_parts: N, whether a drawing was cut out of a number, where its label said so; None: none was.
    known: images whose labels are certain. Nearest means by cosine in the base network's features.
    Of equal frames only the first counts, and none if their labels differ. A label is DISPUTED by one of three rules:

    1. Unsupported. The base gives the label less than FIRMLY, less than NEIGHBOURS_SHARE of the NEIGHBOURS nearest
       known images carry it, and less than SUPPORTERS_SHARE of the SUPPORTERS nearest drawings by other people support
       it. Such a drawing supports the label if it has the same one, if that one is among the LIKELIEST digits that the
       base finds for it, and if it is at most LEEWAY further away than those known images. People who correct mistakes
       mostly name a likely digit, so many who agree on an unlikely one do not support each other.
       The label is forgiven, though, if the drawing is not plain (mnist/retraining/trust.py), the label is WARY times
       likelier to be right than to be one of this person's mistakes, and not most of their labels are in doubt: who
       contradicts the network where no known image is like the drawing, and rarely elsewhere, is usually right. Not so
       for a part of a number: a wrong label cuts out what is like nothing.
    2. Opposed. The base is not SURE of the label, reads the same or could not forgive it, and at least OPPONENTS of the
       SUPPORTERS nearest drawings by other people carry another one and are nearer than those known images. A wrong
       label may be the very mistake that the base makes and that others correct.
    3. Coordinated. At least CROWD people have FEW labels or more, and at least the share MOST of these people have at
       least the share MOST of their labels disputed. Then all labels of the latter that the base is not SURE of are
       disputed, because people who correct mistakes do not label like that. One person, or a few, can't cause this.

    Of the SUPPORTERS at most OF_ONE_PERSON are by one person and OF_ONE_NETWORK from one network, and none is by
    anybody whose error rate is above CARELESS.

    Caps on the remaining labels, oldest first: `caps.per_session` for a person; for a digit three times the mean of the
    ten digits, or `caps.per_label` if that is more.
    """
    verdicts = _duplicates(given)
    considered = [verdict is None for verdict in verdicts]
    networks, are_parts = networks or [None] * len(people), are_parts or [False] * len(people)
    for row in _disputed(given, people, networks, are_parts, base, known, considered):
        verdicts[row] = DISPUTED
    per_person: Counter[str] = Counter()
    for row, person in enumerate(people):
        if verdicts[row] is None:
            per_person[person] += 1
            if per_person[person] > caps.per_session:
                verdicts[row] = SESSION_CAP
    believed = [row for row, verdict in enumerate(verdicts) if verdict is None]
    most = max(caps.per_label, 3 * len(believed) // DIGITS)
    per_digit: Counter[int] = Counter()
    for row in believed:
        label = int(given.labels[row])
        per_digit[label] += 1
        if per_digit[label] > most:
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
    given: Labelled,
    people: Sequence[str],
    networks: Sequence[str | None],
    are_parts: Sequence[bool],
    base: DigitNetwork,
    known: Labelled,
    considered: Sequence[bool],
) -> list[int]:
    """Rows whose labels are disputed, of those considered."""
    chosen = torch.tensor(considered, dtype=torch.bool)
    beliefs = F.softmax(logits_of(base, given.frames), dim=1) if len(given) else torch.empty(0, DIGITS + 1)
    belief = beliefs[torch.arange(len(given)), given.labels]
    rows = torch.nonzero((belief < SURE) & chosen).flatten()
    if len(rows) == 0:
        return []
    is_likely = (beliefs[:, :DIGITS] > belief[:, None]).sum(dim=1) < LIKELIEST
    features, labels = features_of(base, given.frames), given.labels
    known_features = features_of(base, known.frames)
    closeness, nearest = _nearest(features, rows, known_features, NEIGHBOURS)
    is_unusual = (known.labels[nearest] == labels[rows, None]).double().mean(dim=1) < NEIGHBOURS_SHARE
    reach = closeness[:, -1]
    who, where = trust.numbered(people), trust.numbered(trust.networks_of(people, networks))
    plain = torch.zeros(len(given), dtype=torch.bool)
    usual = trust.usual_closeness(known_features)
    plain[rows] = trust.is_plain(beliefs[rows], closeness[:, 0], known.labels[nearest], usual, SURE)
    slips, of_everybody = trust.error_rates(plain & chosen, (belief >= SURE) & chosen, chosen, who, where)
    doubtful = is_unusual & (belief[rows] < FIRMLY)
    by_mistake = WARY * (slips / (1 - slips))[rows] / (DIGITS - 1)  # how likely this person gives just this label so
    hopeless = plain[rows] | (belief[rows] < by_mistake) | torch.tensor(are_parts, dtype=torch.bool)[rows]
    contradicts = beliefs[rows, :DIGITS].argmax(dim=1) != labels[rows]
    careful = slips <= max(CARELESS, 2 * of_everybody)
    around = _nearest(features, rows, features, AROUND, lambda part: ~chosen | (who[part][:, None] == who))
    disputed, opposed, coordinated = (torch.zeros(len(given), dtype=torch.bool) for _ in range(3))
    for _ in range(ROUNDS):
        for _ in range(PASSES):
            votes = careful & ~(disputed | coordinated)
            support, opponents = _votes(around, labels, rows, votes, reach, is_likely, who, where)
            before, disputed, opposed = disputed, torch.zeros_like(disputed), torch.zeros_like(disputed)
            opposed[rows[(opponents >= OPPONENTS) & (~contradicts | hopeless)]] = True
            disputed[rows[doubtful & (support < SUPPORTERS_SHARE)]] = True
            disputed |= opposed
            if torch.equal(before, disputed):
                break
        found = _coordinated_people(disputed | coordinated, who, chosen)
        more = rows[found[who[rows]] & ~coordinated[rows]]
        if len(more) == 0:
            break
        coordinated[more] = True
    forgiven = torch.zeros_like(disputed)
    forgiven[rows] = ~hopeless & ~_mostly_disputed(disputed, who, chosen)[who[rows]]
    return torch.nonzero((disputed & ~forgiven) | opposed | coordinated).flatten().tolist()


def _coordinated_people(disputed: Tensor, who: Tensor, considered: Tensor) -> Tensor:
    """(people,) bool: the people whom rule 3 of `filter_labels` names; nobody where it does not apply.

    disputed, considered: (N,) bool. who: (N,) the number of the person who gave each label.
    """
    members = _mostly_disputed(disputed, who, considered)
    counted = (torch.bincount(who[considered], minlength=len(members)) >= FEW).sum()
    is_coordinated = counted >= CROWD and members.sum() >= MOST * counted
    return members if is_coordinated else torch.zeros_like(members)


def _mostly_disputed(disputed: Tensor, who: Tensor, considered: Tensor) -> Tensor:
    """(people,) bool: who has FEW labels or more, at least the share MOST of them disputed; arguments as above."""
    people = int(who.max()) + 1
    given, found = (torch.bincount(who[each], minlength=people) for each in (considered, disputed))
    return (given >= FEW) & (found >= MOST * given)


def _nearest(
    features: Tensor, rows: Tensor, among: Tensor, count: int, barred: Callable[[Tensor], Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Cosines and indices of the `count` candidates nearest to each row, nearest first: two tensors (rows, count).

    features: (N, D) and among: (M, D), the candidates, both of unit length. rows: which of the N are searched for.
    barred: maps some of the rows to the (rows, M) bool mask of excluded candidates. With fewer than `count` candidates
    there are as many columns as candidates; the cosine of an excluded one is NOBODY.
    """
    count = min(count, len(among))
    # Allocated beforehand: results placed between the large blocks would keep their memory from being used again.
    closeness, indices = torch.empty(len(rows), count), torch.empty(len(rows), count, dtype=torch.long)
    for start in range(0, len(rows), AT_ONCE):
        place = slice(start, start + AT_ONCE)
        cosines = features[rows[place]] @ among.T
        if barred is not None:
            cosines.masked_fill_(barred(rows[place]), NOBODY)
        torch.topk(cosines, count, dim=1, out=(closeness[place], indices[place]))
    return closeness, indices


def _votes(
    around: tuple[Tensor, Tensor],
    labels: Tensor,
    rows: Tensor,
    votes: Tensor,
    reach: Tensor,
    is_likely: Tensor,
    who: Tensor,
    where: Tensor,
) -> tuple[Tensor, Tensor]:
    """The share of supporters (rows,) and the number of opponents (rows,) among each row's SUPPORTERS nearest drawings.

    Both are 0 where nobody else drew. around: what `_nearest` returned for other people's drawings. votes: (N,) bool,
    which drawings have a vote. reach: (rows,) the cosine of the farthest of the nearest known images. is_likely: (N,)
    bool, whether a drawing's own label is among its LIKELIEST digits. who, where: (N,) whose, and from which network.
    """
    closeness, indices = around
    is_asked = votes[indices] & (closeness > NOBODY)
    for group, most in ((who, OF_ONE_PERSON), (where, OF_ONE_NETWORK)):
        is_asked &= _rank_in_group(group[indices], is_asked) < most
    is_asked &= is_asked.cumsum(dim=1) <= SUPPORTERS
    says_so = labels[indices] == labels[rows][:, None]
    backs = is_asked & says_so & is_likely[indices] & (closeness > reach[:, None] - LEEWAY)
    opposes = is_asked & ~says_so & (closeness > reach[:, None])
    return backs.sum(dim=1) / is_asked.sum(dim=1).clamp(min=1), opposes.sum(dim=1)


def _rank_in_group(groups: Tensor, counted: Tensor) -> Tensor:
    """(rows, count): how many of the counted columns before each belong to the same group; both (rows, count)."""
    order = groups.argsort(dim=1, stable=True)
    sorted_groups, ones = groups.gather(1, order), counted.gather(1, order).long()
    before = ones.cumsum(dim=1) - ones
    starts = F.pad(sorted_groups[:, 1:] != sorted_groups[:, :-1], (1, 0), value=True)
    ranks = before - torch.where(starts, before, 0).cummax(dim=1).values
    return torch.empty_like(ranks).scatter_(1, order, ranks)
