"""Decides from the predictions for a picture's frames whether it shows one digit or a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mnist.drawing import Verdict
from mnist.model.classifier import Prediction
from mnist.model.network import NON_DIGIT
from mnist.model.paths import MAX_DIGITS, Path, align, best_paths, clearness, what_marks_are
from mnist.vision.leftovers import Leftover
from mnist.vision.prepare import Box, Framed

CLEAR = 0.75  # chance that the best reading of all is right, below which it is asked about, as a digit is …
CLEAR_WHEN_CUT = 0.85  # … also where digits touch: a cut in the wrong place leaves good digits, too
FOREIGN = 1 / 3  # of the digits of a number that are "not a digit": with more of them it is no number


@dataclass(frozen=True, slots=True)
class Reading:
    """The reading of a whole picture."""

    prediction: Prediction  # of the whole picture as one digit, with the verdict on the picture
    digits: tuple[Prediction, ...]  # from left to right; empty when it is not a number
    boxes: tuple[Box, ...] = ()  # one for each digit that was read, also of a single one
    left_over: tuple[Leftover, ...] = ()  # what was written beside them
    frame: int = 0  # place among `Framed.frames` of the single digit that was read, or of the whole
    clear: float = 1.0  # share of the reading's probability among all readings of the same ink, 0–1
    again: float = 0.0  # chance of what another way to find the ink gives: 0 to 1 where that is the same, else −1 to 0

    @property
    def number(self) -> str | None:
        """The digits as text: "2026"; None when it is not a number."""
        return "".join(str(each.digit) for each in self.digits) or None

    @property
    def confidence(self) -> float:
        """Probability that the digit, or every digit of the number, is right; 0–1."""
        if not self.digits:
            return self.prediction.confidence
        return _together(math.prod(each.confidence for each in self.digits) * self.clear, self.again)


def read(framed: Framed, predictions: Sequence[Prediction]) -> Reading:
    """Decide between one digit and a number.

    predictions: one for each of `framed.frames`, in order.
    A reading is "unsure" where one of its digits is, where another reading of the same ink comes near, where something
    was written beside the digits that changes what they say, and where a plain recipe surely reads another digit.
    """
    if framed.line.is_one_digit:
        reading = Reading(predictions[0], (), (framed.box(0),), framed.left_over)
    else:
        reading = _read_line(framed, predictions)
        if framed.second is not None:
            reading = _likelier(reading, _read_line(framed.second, predictions), predictions[0])
    is_sure = _is_explained(reading) and not _is_disputed(reading, framed, predictions)
    if is_sure or reading.prediction.verdict not in (Verdict.DIGIT, Verdict.NUMBER):
        return reading
    return replace(reading, prediction=replace(reading.prediction, verdict=Verdict.UNSURE))


def labelled(framed: Framed, predictions: Sequence[Prediction], truth: str | None) -> list[tuple[int, int]]:
    """Which of `framed.frames` show what a person said, as (frame, class); none where a number's digits can't be found.

    predictions: one for each frame. truth: "7", "2026", or None for "not a digit", which is class 10.
    """
    if truth is None:
        return [(0, NON_DIGIT)]
    if not framed.line.is_one_digit:
        candidates = [None if place is None else predictions[place] for place in framed.places]
        found = align(framed.line, candidates, truth)
        places = [place for each in found or () if (place := framed.places[each]) is not None]
        if places:
            return [(place, int(digit)) for place, digit in zip(places, truth, strict=True)]
    return [(0, int(truth))] if len(truth) == 1 else []


def _read_line(framed: Framed, predictions: Sequence[Prediction]) -> Reading:
    """The best path through the line, whatever was written beside it."""
    whole, line = predictions[0], framed.line
    candidates = [None if place is None else predictions[place] for place in framed.places]
    paths = best_paths(line, candidates)
    if not paths:
        return Reading(replace(whole, verdict=Verdict.NOT_A_DIGIT), ())
    best, clear = paths[0], clearness(paths)
    left_over = (*framed.left_over, *line.leftovers, *what_marks_are(line, best))
    digits = _digits_of(best, candidates)
    boxes = tuple(framed.box(candidate) for candidate in best.candidates)
    if len(digits) == 1:
        [digit], place = digits, framed.places[best.candidates[0]] or 0
        digit = replace(digit, verdict=Verdict.UNSURE) if digit.verdict == Verdict.DIGIT and clear < CLEAR else digit
        return Reading(digit, (), boxes, left_over, place, clear)
    foreign = sum(digit.verdict == Verdict.NOT_A_DIGIT for digit in digits)
    if foreign > FOREIGN * len(digits) or len(digits) > MAX_DIGITS:
        return Reading(replace(whole, verdict=Verdict.NOT_A_DIGIT), (), (), left_over, clear=clear)
    # Two arcs of a 0 are two good 1s, but no number is a good digit as a whole.
    is_sure = whole.verdict != Verdict.DIGIT and all(digit.verdict == Verdict.DIGIT for digit in digits)
    is_cut = any(line.is_cut(line.candidates[place].first) for place in best.candidates)
    is_sure &= clear * math.prod(map(_certainty, digits)) >= (CLEAR_WHEN_CUT if is_cut else CLEAR)
    verdict = Verdict.NUMBER if is_sure else Verdict.UNSURE
    return Reading(replace(whole, verdict=verdict), digits, boxes, left_over, clear=clear)


def _likelier(first: Reading, second: Reading, whole: Prediction) -> Reading:
    """Of the readings of a strip whose ink was found in two ways the likelier; sure where both together make it so."""
    best, most = first, 0.0
    for one, other in ((first, second), (second, first)):
        again = _chance(other) if one.number == other.number else -_chance(other)
        chance = _together(_chance(one), again)
        if one.digits and _is_explained(one) and chance > most:
            best, most = replace(one, again=again), chance
    if not best.digits:
        return best
    # Flat paper is a guess: what only it gives is offered.
    is_sure = most >= CLEAR and whole.verdict != Verdict.DIGIT and (best.again > 0 or best.number == first.number)
    verdict = Verdict.NUMBER if is_sure else Verdict.UNSURE
    return replace(best, prediction=replace(best.prediction, verdict=verdict))


def _chance(reading: Reading) -> float:
    return reading.clear * math.prod(map(_certainty, reading.digits)) if reading.digits else 0.0


def _together(chance: float, again: float) -> float:
    """Chance of a reading with what another one says: both may be wrong, or the other one right."""
    return 1 - (1 - chance) * (1 - again) if again >= 0 else chance * (1 + again)


def _certainty(digit: Prediction) -> float:
    """Probability that it is a digit, and this one."""
    return digit.confidence / (1 + math.exp(min(digit.non_digit_score, 50.0)))


def _digits_of(path: Path, candidates: Sequence[Prediction | None]) -> tuple[Prediction, ...]:
    return tuple(digit for place in path.candidates if (digit := candidates[place]) is not None)


def _is_explained(reading: Reading) -> bool:
    return not any(each.reason.changes_the_reading for each in reading.left_over)


def _is_disputed(reading: Reading, framed: Framed, predictions: Sequence[Prediction]) -> bool:
    """Whether a plain threshold on the photo surely shows another digit: one of the two lost ink, or found none's."""
    if framed.plain is None or predictions[framed.plain].verdict != Verdict.DIGIT:
        return False
    return str(predictions[framed.plain].digit) != (reading.number or str(reading.prediction.digit))
