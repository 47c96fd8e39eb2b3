"""The examples of a retraining: every stored label, with the decision whether to learn from it."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import torch

from mnist.drawing import as_text
from mnist.model.calibration import Calibration
from mnist.model.classifier import Classifier
from mnist.model.network import DigitNetwork
from mnist.model.paths import align
from mnist.retraining import quarantine
from mnist.retraining.replay_data import ReplayData
from mnist.store.labels import HELD_OUT, REVOKED, ROLLED_BACK, Feedback, Labels, Mark
from mnist.store.secret import keyed
from mnist.training.datasets import Labelled
from mnist.vision.image_files import BadImage, decode
from mnist.vision.ink import BlankDrawing
from mnist.vision.prepare import frame

HELD_OUT_SHARE = 5  # one session in this many is held out
# Finds a number's digits by what they are.
PLAIN = Calibration(temperature=1.0, non_digit_threshold=0.0, unsure_threshold=0.0)
KNOWN = 8_000  # MNIST images in which neighbours are searched, beside the drawn ones


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled digit, without its image; a number gives as many examples as it has digits."""

    id: uuid.UUID
    place: int  # of the digit in its number, from 0
    person: str  # session id; "" for labels without one
    label: int | None
    truth: str | None  # the label as it was given: "7", "2026", None for "not a digit"
    labelled_at: datetime
    processed_by: int | None
    is_processed: bool
    was_set_aside: str | None  # the reason stored before this run
    is_reviewed: bool
    set_aside: str | None  # the reason in this run; None: learned from
    network: str | None = None  # a keyed digest; None: a key vouches for the session, or none was stored
    is_correction: bool = False  # the person contradicted what they were told

    @property
    def is_settled(self) -> bool:
        """Whether a person decided about the label: by a review, or by rolling back the version that learned it."""
        return self.is_reviewed or self.was_set_aside in (ROLLED_BACK, REVOKED)


@dataclass(frozen=True, slots=True, eq=False)
class ExampleSet:
    """The examples of one run with their images; all digits of a number share one decision."""

    examples: Sequence[Example]  # oldest first
    images: Labelled  # one for each example, in order; all zeros for a blank picture

    @property
    def learned(self) -> list[int]:
        """Rows of the examples to learn from."""
        return [row for row, example in enumerate(self.examples) if example.set_aside is None]

    @property
    def held_out(self) -> list[int]:
        """Rows of the hold-out set."""
        return [row for row, example in enumerate(self.examples) if example.set_aside == HELD_OUT]

    def take(self, rows: Sequence[int]) -> Labelled:
        return self.images.take(torch.tensor(rows, dtype=torch.long))

    def origins(self, rows: Sequence[int]) -> tuple[list[str], list[str | None]]:
        """People and networks of some rows; a label without a session stands for itself."""
        chosen = [self.examples[row] for row in rows]
        return [each.person or str(each.id) for each in chosen], [each.network for each in chosen]

    def ids(self, rows: Sequence[int]) -> list[str]:
        """Ids of the drawings of some rows, each once, in order."""
        return list(dict.fromkeys(str(self.examples[row].id) for row in rows))

    def with_blocked(self, marks: Sequence[Mark], blocked: Sequence[int]) -> list[Mark]:
        """The marks, with the labels of the blocked rows disputed, so that a person looks at them."""
        found = {mark.id: mark for mark in marks}
        for example in (self.examples[row] for row in blocked):
            if not example.is_settled:
                found[example.id] = Mark(example.id, example.labelled_at, quarantine.DISPUTED, example.is_reviewed)
        return list(found.values())

    def marks(self, served: set[int]) -> tuple[list[Mark], int]:
        """The marks to store, and the number of labels learned that no served version had learned.

        served: the numbers of all versions that were not rejected.
        """
        marks, new = [], 0
        for example in _first_digits(self.examples):
            unlearned = example.set_aside is None and example.processed_by not in served
            new += unlearned or (example.set_aside is None and example.was_set_aside is not None)
            changed = example.set_aside != example.was_set_aside and not example.is_settled
            if not example.is_processed or unlearned or changed:
                marks.append(Mark(example.id, example.labelled_at, example.set_aside, example.is_reviewed))
        return marks, new

    def counts(self, new: int) -> dict[str, Any]:
        """Fields of the run's Outcome, counted in labels: a number counts once. new: from `marks`."""
        labels = _first_digits(self.examples)
        learned = [each for each in labels if each.set_aside is None]
        reasons = Counter(each.set_aside for each in labels if each.set_aside is not None)
        return {
            "rows": len(learned),
            "corrections": sum(each.is_correction for each in learned),
            "new_rows": new,
            "numbers": sum(len(each.truth or "") > 1 for each in learned),
            "people": len({each.person for each in learned}),
            "held_out": reasons.pop(HELD_OUT, 0),
            "set_aside": dict(reasons),
        }

    def digest(self) -> str:
        """Identifies the learned labels: hexadecimal SHA-256 of the sorted lines "id label"."""
        learned = [each for each in _first_digits(self.examples) if each.set_aside is None]
        lines = sorted(f"{each.id} {each.truth}\n" for each in learned)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def load_examples(
    stored: Labels, base: DigitNetwork, replay_data: ReplayData, caps: quarantine.Caps, key: bytes, *, most_rows: int
) -> ExampleSet:
    """Read the stored labels and decide which ones to learn from, hold out or set aside.

    key: the database's secret. most_rows: how many labels are read at most. Memory: about 10 kB per digit, beside a few
    MB of pictures.
    """
    examples: list[Example] = []
    frames: list[np.ndarray] = []
    reader = Classifier(base, PLAIN, 0)
    for feedback in stored.read(most_rows):
        digit_frames, digit_labels, problem = _digits_of(feedback, reader)
        frames += digit_frames
        examples += [_example(feedback, place, label, problem) for place, label in enumerate(digit_labels)]
    order = sorted(
        range(len(examples)), key=lambda row: (examples[row].labelled_at, examples[row].id, examples[row].place)
    )
    examples = [examples[row] for row in order]
    labels = torch.tensor([example.label or 0 for example in examples], dtype=torch.long)
    pictures = np.stack([frames[row] for row in order]) if frames else np.zeros((0, 28, 28), np.uint8)
    images = Labelled(torch.from_numpy(pictures), labels)
    open_rows = [row for row, example in enumerate(examples) if example.set_aside is None]
    known = Labelled(
        torch.cat([replay_data.mnist.frames[:KNOWN], replay_data.strokes.frames]),
        torch.cat([replay_data.mnist.labels[:KNOWN], replay_data.strokes.labels]),
    )
    people = [examples[row].person for row in open_rows]
    networks = [examples[row].network for row in open_rows]
    are_parts = [len(examples[row].truth or "") > 1 for row in open_rows]
    verdicts = quarantine.filter_labels(
        images.take(torch.tensor(open_rows, dtype=torch.long)), people, base, known, caps, networks, are_parts
    )
    wrong: dict[uuid.UUID, str] = {}  # a number is learned as a whole or not at all
    for row, verdict in zip(open_rows, verdicts, strict=True):
        example = examples[row]
        if verdict is not None and not example.is_reviewed:  # a person's decision outranks the program's
            wrong[example.id] = quarantine.DISPUTED if wrong.get(example.id) == quarantine.DISPUTED else verdict
    for row in open_rows:
        example = examples[row]
        examples[row] = replace(
            example, set_aside=wrong.get(example.id, HELD_OUT if is_held_out(example, key) else None)
        )
    return ExampleSet(examples, images)


def is_held_out(example: Example, key: bytes) -> bool:
    """Whether an example belongs to the hold-out set; a keyed hash of the session decides.

    So its members never change, and nobody can choose a session that is one. key: the database's secret.
    """
    return drawn_by_lot(key, "hold-out", example.person or str(example.id), HELD_OUT_SHARE)


def drawn_by_lot(key: bytes, purpose: str, person: str, one_in: int) -> bool:
    """Whether a person is drawn for a purpose, as one in so many are; the same in every process."""
    return int.from_bytes(keyed(key, purpose, person)[:8]) % one_in == 0


def _digits_of(feedback: Feedback, reader: Classifier) -> tuple[list[np.ndarray], list[int | None], str | None]:
    """(28, 28) frames as recognition makes them of this picture, a label for each, and why all are set aside, if so.

    The digits of a number are the pieces of the path that reads it as it was labelled.
    """
    truth = as_text(feedback.true_label, feedback.true_number)
    try:
        framed = frame(decode(feedback.image))
    except (BlankDrawing, BadImage):
        return [np.zeros((28, 28), np.uint8)], [None], quarantine.BLANK
    if truth is None:
        return [framed.whole.frame], [None], quarantine.LABELLED_NON_DIGIT
    if not framed.line.is_one_digit:
        predictions = reader.predict(framed.frames)
        candidates = [None if place is None else predictions[place] for place in framed.places]
        found = align(framed.line, candidates, truth)
        places = [place for each in found or () if (place := framed.places[each]) is not None]
        if places:
            return [framed.frames[place] for place in places], [int(digit) for digit in truth], None
    if len(truth) > 1:
        return [framed.whole.frame], [None], quarantine.NOT_PARTED
    return [framed.whole.frame], [feedback.true_label], None


def _first_digits(examples: Sequence[Example]) -> list[Example]:
    """One example for each label."""
    return [example for example in examples if example.place == 0]


def _example(feedback: Feedback, place: int, label: int | None, problem: str | None) -> Example:
    stays = feedback.set_aside if feedback.reviewed or feedback.set_aside in (ROLLED_BACK, REVOKED) else None
    return Example(
        id=feedback.id,
        place=place,
        person=feedback.session_id or "",  # labels without a session count as one person's, which they could be
        network=feedback.network,
        is_correction=feedback.is_correction,
        label=label,
        truth=as_text(feedback.true_label, feedback.true_number),
        labelled_at=feedback.labelled_at,
        processed_by=feedback.processed_by,
        is_processed=feedback.is_processed,
        was_set_aside=feedback.set_aside,
        is_reviewed=feedback.reviewed,
        set_aside=problem or stays,
    )
