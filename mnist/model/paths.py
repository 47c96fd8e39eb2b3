"""The best path through a line's candidates: which digits were written, and how clearly."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mnist.drawing import Verdict
from mnist.model.classifier import Prediction
from mnist.vision.candidates import Candidate, Line
from mnist.vision.leftovers import Leftover, Reason
from mnist.vision.marks import Mark

MAX_DIGITS = 32
KEPT = 6  # paths that are kept at each place: readings that compete
REFUSED_COST = 2.5  # nats: a part that the network calls no digit, beside its probability
GROUPED = re.compile(r"0{1,3}(\.000)+")  # 1.250 or 12.345.678: points that part thousands, not a fraction
FLOOR = 1e-5  # of probability: one candidate that the network finds absurd does not outweigh all else


@dataclass(frozen=True, slots=True)
class Path:
    """One way to read a line."""

    digits: tuple[int, ...]  # as read
    candidates: tuple[int, ...]  # places of the candidates, from left to right
    marks: tuple[Mark, ...]
    cost: float  # nats

    @property
    def text(self) -> str:
        return "".join(map(str, self.digits))


def best_paths(line: Line, predictions: Sequence[Prediction | None]) -> list[Path]:
    """The KEPT cheapest ways to read a line with all its ink, each another reading, the best first; none if none is.

    predictions: one for each candidate; None where it left no frame.
    """
    at: list[list[Path]] = [[Path((), (), (), 0.0)]] + [[] for _ in range(line.pieces)]
    ends: list[list[int]] = [[] for _ in range(line.pieces + 1)]
    for place, candidate in enumerate(line.candidates):
        if predictions[place] is not None:
            ends[candidate.end].append(place)
    marked = {mark.at: mark for mark in line.marks}
    for end in range(1, line.pieces + 1):
        found: list[Path] = []
        for place in ends[end]:
            candidate, prediction = line.candidates[place], predictions[place]
            assert prediction is not None
            found += _extended(at[candidate.first], place, candidate, prediction, line.partings[candidate.first])
        if (mark := marked.get(end - 1)) is not None:
            found += [replace(path, marks=(*path.marks, mark), cost=path.cost + mark.cost) for path in at[end - 1]]
        at[end] = _cheapest(found)
    return [path for path in at[-1] if path.digits]


def align(line: Line, predictions: Sequence[Prediction | None], number: str) -> tuple[int, ...] | None:
    """Places of the candidates that show a number's digits, when it is known; None where none can.

    The cheapest path that has as many digits, by what the network makes of each as the digit that it is.
    """
    ways: dict[tuple[int, int], tuple[float, tuple[int, ...]]] = {(0, 0): (0.0, ())}
    marked = {mark.at: mark for mark in line.marks}
    for end in range(1, line.pieces + 1):
        for place, candidate in enumerate(line.candidates):
            prediction = predictions[place]
            if candidate.end != end or prediction is None:
                continue
            for done, digit in enumerate(number):
                if (before := ways.get((candidate.first, done))) is not None:
                    cost = before[0] + _cost(candidate, prediction, int(digit)) + line.partings[candidate.first]
                    _keep(ways, (end, done + 1), (cost, (*before[1], place)))
        if (mark := marked.get(end - 1)) is not None:
            for done in range(len(number) + 1):
                if (before := ways.get((end - 1, done))) is not None:
                    _keep(ways, (end, done), (before[0] + mark.cost, before[1]))
    found = ways.get((line.pieces, len(number)))
    return None if found is None else found[1]


def _keep(
    ways: dict[tuple[int, int], tuple[float, tuple[int, ...]]],
    at: tuple[int, int],
    way: tuple[float, tuple[int, ...]],
) -> None:
    if at not in ways or way[0] < ways[at][0]:
        ways[at] = way


def _cost(candidate: Candidate, prediction: Prediction, digit: int) -> float:
    """Nats of reading a candidate as a digit."""
    is_digit = 1 / (1 + math.exp(min(prediction.non_digit_score, 50.0)))
    refused = REFUSED_COST if prediction.verdict == Verdict.NOT_A_DIGIT else 0.0
    return candidate.cost + refused - math.log(max(FLOOR, is_digit * prediction.probabilities[digit]))


def _extended(
    paths: list[Path], place: int, candidate: Candidate, prediction: Prediction, parting: float
) -> list[Path]:
    cost = _cost(candidate, prediction, prediction.digit) + parting
    return [
        Path((*path.digits, prediction.digit), (*path.candidates, place), path.marks, path.cost + cost)
        for path in paths
    ]


def _cheapest(paths: list[Path]) -> list[Path]:
    """The best of each reading; paths that differ in what became of the marks are the same reading."""
    best: dict[tuple[tuple[int, ...], int], Path] = {}
    for path in sorted(paths, key=lambda path: path.cost):
        best.setdefault((path.digits, len(path.marks)), path)
        if len(best) == KEPT:
            break
    return list(best.values())


def clearness(paths: Sequence[Path]) -> float:
    """Share of the best reading's probability in that of all that were kept; 0–1."""
    best = paths[0]
    others: dict[tuple[int, ...], float] = {}
    for path in paths:
        if path.digits != best.digits:
            others.setdefault(path.digits, math.exp(best.cost - path.cost))
    return 1 / (1 + sum(others.values()))


def what_marks_are(line: Line, path: Path) -> list[Leftover]:
    """What became of the marks on a path, now that the digits around them are known."""
    points = [mark for mark in path.marks if mark.leftover.reason == Reason.POINT]
    written = [(line.candidates[place].first, "0") for place in path.candidates] + [(mark.at, ".") for mark in points]
    is_grouped = GROUPED.fullmatch("".join(sign for _, sign in sorted(written))) is not None
    point = Reason.GROUPING_POINT if is_grouped else Reason.POINT
    return [replace(mark.leftover, reason=point) if mark in points else mark.leftover for mark in path.marks]
