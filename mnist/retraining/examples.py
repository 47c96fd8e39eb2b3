"""What a retraining reads: every label, with the verdict whether to learn it."""

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
from mnist.model.network import DigitNetwork
from mnist.retraining import quarantine
from mnist.retraining.replay_data import ReplayData
from mnist.store.labels import HELD_OUT, REVOKED, ROLLED_BACK, Feedback, Labels, Mark
from mnist.training.datasets import Labelled
from mnist.vision.image_files import BadImage, decode
from mnist.vision.ink import BlankDrawing
from mnist.vision.prepare import frame, prepare

HELD_OUT_SHARE = 5  # one session in …


@dataclass(frozen=True, slots=True)
class Example:
    """One digit that a label names, without its picture: a whole number is as many lessons as it has digits."""

    id: uuid.UUID
    place: int  # in a whole number, from 0
    person: str
    label: int | None
    truth: str | None  # the label as it was given: "7", "2026", None for "not a digit"
    labelled_at: datetime
    processed_by: int | None
    is_processed: bool
    was_set_aside: str | None
    is_reviewed: bool
    set_aside: str | None  # as of this run

    @property
    def is_settled(self) -> bool:
        """Whether a person has decided about it: by a review, or by rolling back the version that learned it."""
        return self.is_reviewed or self.was_set_aside in (ROLLED_BACK, REVOKED)


@dataclass(frozen=True, slots=True, eq=False)
class ExampleSet:
    """The labels that a run read, each with its verdict; all digits of a number have the same."""

    examples: Sequence[Example]  # oldest first
    images: Labelled  # of every lesson, in order; those of blank ones are empty

    @property
    def learned(self) -> list[int]:
        return [row for row, example in enumerate(self.examples) if example.set_aside is None]

    @property
    def held_out(self) -> list[int]:
        return [row for row, example in enumerate(self.examples) if example.set_aside == HELD_OUT]

    def take(self, rows: Sequence[int]) -> Labelled:
        return self.images.take(torch.tensor(rows, dtype=torch.long))

    def marks(self, served: set[int]) -> tuple[list[Mark], int]:
        """What to write, and how many labels are learned that no served version had learned."""
        marks, new = [], 0
        for example in _first_digits(self.examples):
            unlearned = example.set_aside is None and example.processed_by not in served
            new += unlearned or (example.set_aside is None and example.was_set_aside is not None)
            changed = example.set_aside != example.was_set_aside and not example.is_settled
            if not example.is_processed or unlearned or changed:
                marks.append(Mark(example.id, example.labelled_at, example.set_aside, example.is_reviewed))
        return marks, new

    def counts(self, new: int) -> dict[str, Any]:
        """Of labels, whatever number of digits they name."""
        labels = _first_digits(self.examples)
        learned = [each for each in labels if each.set_aside is None]
        reasons = Counter(each.set_aside for each in labels if each.set_aside is not None)
        return {
            "rows": len(learned),
            "new_rows": new,
            "numbers": sum(len(each.truth or "") > 1 for each in learned),
            "people": len({each.person for each in learned}),
            "held_out": reasons.pop(HELD_OUT, 0),
            "set_aside": dict(reasons),
        }

    def digest(self) -> str:
        """Says which labels were learned: SHA-256 over the sorted lines "id label"."""
        learned = [each for each in _first_digits(self.examples) if each.set_aside is None]
        lines = sorted(f"{each.id} {each.truth}\n" for each in learned)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def load_examples(
    given: Labels, base: DigitNetwork, replay_data: ReplayData, caps: quarantine.Caps, *, most_rows: int
) -> ExampleSet:
    """Read the feedback and decide what to believe. Memory: about 10 kB a digit, beside a few MB of pictures."""
    examples: list[Example] = []
    frames: list[np.ndarray] = []
    for feedback in given.read(most_rows):
        shown, labels_shown, problem = _digits_of(feedback)
        frames += shown
        examples += [_example(feedback, place, label, problem) for place, label in enumerate(labels_shown)]
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
    verdicts = quarantine.filter_labels(
        images.take(torch.tensor(open_rows, dtype=torch.long)), people, base, known, caps
    )
    wrong: dict[uuid.UUID, str] = {}  # a number is learned as a whole or not at all
    for row, verdict in zip(open_rows, verdicts, strict=True):
        example = examples[row]
        if verdict is not None and not example.is_reviewed:  # a person's word goes above the program's
            wrong[example.id] = quarantine.DISPUTED if wrong.get(example.id) == quarantine.DISPUTED else verdict
    for row in open_rows:
        example = examples[row]
        examples[row] = replace(example, set_aside=wrong.get(example.id, HELD_OUT if is_held_out(example) else None))
    return ExampleSet(examples, images)


KNOWN = 8_000  # MNIST images among which neighbours are looked for, beside the drawn ones


def is_held_out(example: Example) -> bool:
    """Whether a label belongs to the exam: always the same people, chosen by a hash, whatever they do."""
    return hash_of("hold-out", example.person or str(example.id)) % HELD_OUT_SHARE == 0


def hash_of(*words: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:8])


def _digits_of(feedback: Feedback) -> tuple[list[np.ndarray], list[int | None], str | None]:
    """The (28, 28) frames that serving made of the same picture, what each shows, and what is wrong with it all."""
    number = feedback.true_number
    try:
        pixels = decode(feedback.image)
        if number is None:
            problem = quarantine.LABELLED_NON_DIGIT if feedback.true_label is None else None
            return [prepare(pixels).frame], [feedback.true_label], problem
        parted = frame(pixels)
    except (BlankDrawing, BadImage):
        return [np.zeros((28, 28), np.uint8)], [None], quarantine.BLANK
    digits = list(parted.frames[1:])
    if parted.touching or len(digits) != len(number):
        return [parted.whole.frame], [None], quarantine.NOT_PARTED
    return digits, [int(digit) for digit in number], None


def _first_digits(examples: Sequence[Example]) -> list[Example]:
    """One lesson for each label."""
    return [example for example in examples if example.place == 0]


def _example(feedback: Feedback, place: int, label: int | None, problem: str | None) -> Example:
    stays = feedback.set_aside if feedback.reviewed or feedback.set_aside in (ROLLED_BACK, REVOKED) else None
    return Example(
        id=feedback.id,
        place=place,
        person=feedback.session_id or "",  # the nameless count as one person: they could be
        label=label,
        truth=as_text(feedback.true_label, feedback.true_number),
        labelled_at=feedback.labelled_at,
        processed_by=feedback.processed_by,
        is_processed=feedback.is_processed,
        was_set_aside=feedback.set_aside,
        is_reviewed=feedback.reviewed,
        set_aside=problem or stays,
    )
