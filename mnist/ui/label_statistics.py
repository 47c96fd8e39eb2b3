"""Statistics of the network on people's labels: accuracy, confusion matrix, reliability, hardest mistakes."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from mnist.store.history import Label

NO_DIGIT = "no digit"
SEVERAL = "several"  # a whole number
CLASSES = (*map(str, range(10)), NO_DIGIT, SEVERAL)
BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)  # lower ends; most confidences are near 1
FEW = 5  # labels in a bin, below which a share says nothing
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the confusion matrix."""

    truth: str  # one of CLASSES; so is guess
    guess: str
    count: int


@dataclass(frozen=True, slots=True)
class Share:
    """How many drawings of a group were read right; `value`, 0–1, needs a count above 0."""

    right: int
    count: int

    @property
    def value(self) -> float:
        return self.right / self.count


def share_right(labels: Sequence[Label]) -> Share:
    return Share(sum(label.is_right for label in labels), len(labels))


def confusion(labels: Sequence[Label]) -> list[Cell]:
    """The cells that are not empty, ordered by truth, then guess, in the order of CLASSES."""
    counts = Counter((class_of(label.truth), class_of(label.guess)) for label in labels)
    ordered = sorted(counts, key=lambda pair: (CLASSES.index(pair[0]), CLASSES.index(pair[1])))
    return [Cell(truth, guess, counts[truth, guess]) for truth, guess in ordered]


def in_cell(labels: Sequence[Label], truth: str, guess: str) -> list[Label]:
    return [label for label in labels if (class_of(label.truth), class_of(label.guess)) == (truth, guess)]


def class_of(text: str | None) -> str:
    """A digit, NO_DIGIT or SEVERAL."""
    if text is None:
        return NO_DIGIT
    return text if len(text) == 1 else SEVERAL


def accuracy_by_day(labels: Sequence[Label]) -> dict[tuple[date, int], Share]:
    """Share read right for each (UTC day of the label, version that read the drawing)."""
    return _shares(labels, [(label.labelled_at.date(), label.model_version) for label in labels])


def accuracy_by_version(labels: Sequence[Label]) -> dict[int, Share]:
    return _shares(labels, [label.model_version for label in labels])


def reliability(labels: Sequence[Label]) -> list[tuple[float, Share]]:
    """(mean confidence 0–1, share read right) for each of BINS with at least FEW labels of drawings read as digits."""
    read = [label for label in labels if label.guess is not None]
    bins = [bisect.bisect_right(BINS, label.confidence) - 1 for label in read]
    means = {
        number: sum(label.confidence for label, one in zip(read, bins, strict=True) if one == number) / count
        for number, count in Counter(bins).items()
    }
    shares = _shares(read, bins)
    return [(means[number], shares[number]) for number in sorted(shares) if shares[number].count >= FEW]


def hardest(labels: Sequence[Label]) -> list[Label]:
    """Labels of misread drawings, the most confident mistakes first."""
    wrong = [label for label in labels if not label.is_right]
    return sorted(wrong, key=lambda label: -label.confidence)


def _shares(labels: Sequence[Label], keys: Sequence[_Key]) -> dict[_Key, Share]:
    groups: defaultdict[_Key, list[bool]] = defaultdict(list)
    for label, key in zip(labels, keys, strict=True):
        groups[key].append(label.is_right)
    return {key: Share(sum(rights), len(rights)) for key, rights in groups.items()}
