"""What a person's own labels do for their later drawings, and what they cost those who have none: nothing.

`PENDIGITS_DIR=… python -m benchmarks.personal [--weights FILE] [--writers N …] [--choose]`. Each person writes on in
the order of the file and labels what is misread (or refused); in the second column one in three right answers, too.
People: the writers of UCI's pen-based digits, the same ones if they wrote 2, 3, 4, 5, 7 and 9 in mirror image, as
children do, and hands that our generator invents. `--choose` compares constants on every second person; the figures are
of the others. The network that ships has learned from all 30 writers: for people whom it never met, give a trial's
weights and the writers that it left out (benchmarks/writers.py says how).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from mnist.drawing import Verdict
from mnist.model.calibration import Calibration
from mnist.model.classifier import Classifier, Prediction
from mnist.model.network import DIGITS
from mnist.model.personal import TRUST, Hand, Trust, read_in_hand, unit
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.recognition.hands import LATEST
from mnist.settings import Settings
from mnist.training.evaluation import calibration_error
from mnist.training.handwriting.non_digits import held_out_kinds, non_digits
from mnist.training.handwriting.pen import render
from mnist.training.handwriting.strokes import deform, held_out_styles, slip, training_styles, write
from mnist.training.pendigits import ATTRIBUTION, Writing, as_written, load_pendigits
from mnist.vision.mnist_frame import frame_ink

MIRRORED = (2, 3, 4, 5, 7, 9)
INVENTED, DRAWINGS = 40, 60  # people, and drawings of each
CONFIRMED = 1 / 3


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody's drawings in the order in which they were made, as the network alone reads them."""

    digits: np.ndarray  # (N,)
    predictions: list[Prediction]
    features: np.ndarray  # (N, D) of unit length


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one group of people. worse: how many people were read worse than without their labels."""

    drawings: int
    before: int  # misread or refused
    after: int
    labels: int
    worse: int
    ece_before: float
    ece_after: float


def look(classifier: Classifier, digits: Sequence[int], frames: np.ndarray) -> Person:
    seen = classifier.look(frames)
    return Person(np.array(digits), seen.predictions, unit(seen.features))


def writers(classifier: Classifier, wanted: Sequence[int], *, is_mirrored: bool) -> list[Person]:
    everybody = load_pendigits(Settings.from_environment().pendigits_dir)
    found = []
    for writer in wanted:
        own = sorted((each for each in everybody if each.writer == writer), key=lambda each: each.number)
        own = [_mirrored(each) if is_mirrored and each.digit in MIRRORED else each for each in own]
        found.append(look(classifier, [each.digit for each in own], as_written(own).frames.numpy()))
    return found


def _mirrored(writing: Writing) -> Writing:
    return replace(writing, lines=tuple(line * (-1.0, 1.0) + (100.0, 0.0) for line in writing.lines))


def invented(classifier: Classifier) -> list[Person]:
    """People with one style and shape for each digit, which they deform a little whenever they write it."""
    rng = np.random.default_rng(7)
    styles = [*held_out_styles(), *training_styles()]
    people = []
    for _ in range(INVENTED):
        own = []
        for digit in range(DIGITS):
            known = [style for style in styles if style.digit == digit]
            own.append(deform(write(known[int(rng.integers(len(known)))], rng), rng))
        digits = [int(digit) for digit in rng.integers(DIGITS, size=DRAWINGS)]
        inks = [render(deform(slip(own[digit], rng), rng, 0.35), 200, 18) for digit in digits]
        people.append(look(classifier, digits, np.stack([frame_ink(ink).frame for ink in inks])))
    return people


def use(people: Sequence[Person], calibration: Calibration, trust: Trust = TRUST, confirmed: float = 0.0) -> Came:
    """Let people write and label. confirmed: share of the right answers that they confirm."""
    before = after = labels = worse = 0
    shares: list[tuple[Prediction, Prediction, int]] = []
    for number, person in enumerate(people):
        rng = np.random.default_rng(number)
        own: list[int] = []
        missed = [0, 0]
        for place, (digit, first) in enumerate(zip(person.digits.tolist(), person.predictions, strict=True)):
            latest = own[-LATEST:]
            hand = Hand(first.model_version, person.features[latest], person.digits[latest])
            [answer] = read_in_hand([first], person.features[place : place + 1], hand, calibration, trust)
            shares.append((first, answer, digit))
            missed[0] += is_missed(first, digit)
            missed[1] += is_missed(answer, digit)
            if is_missed(answer, digit) or rng.random() < confirmed:
                own.append(place)
        before, after, labels = before + missed[0], after + missed[1], labels + len(own)
        worse += missed[1] > missed[0]
    truth = torch.tensor([digit for _, _, digit in shares])
    alone = torch.tensor([each.probabilities for each, _, _ in shares], dtype=torch.float64)
    personal = torch.tensor([each.probabilities for _, each, _ in shares], dtype=torch.float64)
    error = calibration_error(alone, truth), calibration_error(personal, truth)
    return Came(len(shares), before, after, labels, worse, *error)


def is_missed(answer: Prediction, digit: int) -> bool:
    return answer.verdict == Verdict.NOT_A_DIGIT or answer.digit != digit


def refused(people: Sequence[Person], classifier: Classifier, trust: Trust = TRUST) -> str:
    """The share of non-digits that is refused to somebody without labels, and with 40."""
    seen = classifier.look(non_digits(300, 902, held_out_kinds()).frames.numpy())
    answers = []
    for number, person in enumerate(people[:8]):
        chosen = np.random.default_rng(number).permutation(len(person.digits))[:40]
        hand = Hand(classifier.version, person.features[chosen], person.digits[chosen])
        answers += read_in_hand(seen.predictions, seen.features, hand, seen.calibration, trust)
    return f"non-digits refused: {_refused(seen.predictions):.1%} → {_refused(answers):.1%} with 40 labels each"


def _refused(answers: Sequence[Prediction]) -> float:
    return sum(answer.verdict == Verdict.NOT_A_DIGIT for answer in answers) / len(answers)


def candidates() -> Iterator[Trust]:
    for alike, strength in ((0.5, 25), (0.5, 30), (0.55, 30), (0.55, 35), (0.6, 40)):
        yield Trust(alike=alike, strength=strength)
    for alike_non_digit in (0.6, 0.7):
        yield Trust(alike_non_digit=alike_non_digit)
    yield Trust(floor=1e-3)


def row(name: str, people: Sequence[Person], calibration: Calibration, trust: Trust = TRUST) -> str:
    corrected = use(people, calibration, trust)
    confirmed = use(people, calibration, trust, CONFIRMED)
    return (
        f"{name}: {len(people)} people, {corrected.drawings} drawings, misread or refused {corrected.before} → "
        f"{corrected.after} with {corrected.labels} corrections, {corrected.worse} people worse, "
        f"ECE {corrected.ece_before:.2%} → {corrected.ece_after:.2%}; with confirmations {confirmed.after}, "
        f"{confirmed.worse} worse, ECE {confirmed.ece_after:.2%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=SHIPPED_WEIGHTS)
    parser.add_argument("--writers", type=int, nargs="+", default=list(range(1, 31)))
    parser.add_argument("--choose", action="store_true", help="compare constants on every second person first")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    classifier = Classifier.load(options.weights, version=1)
    groups = {
        "as they write": writers(classifier, options.writers, is_mirrored=False),
        "in mirror image": writers(classifier, options.writers, is_mirrored=True),
        "invented hands": invented(classifier),
    }
    print(f"{ATTRIBUTION}\n{options.weights}")
    for trust in candidates() if options.choose else ():
        print(trust)
        for name, people in groups.items():
            print("  " + row(name, people[1::2], classifier.calibration, trust))
        print("  " + refused(groups["as they write"][1::2], classifier, trust))
    print(f"{TRUST}, on the people that it was not chosen on")
    for name, people in groups.items():
        print("  " + row(name, people[::2], classifier.calibration))
    print("  " + refused(groups["as they write"][::2], classifier))


if __name__ == "__main__":
    main()
