"""What a retraining reads: every label, with the verdict whether to learn it."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import torch

from mnist import trust
from mnist.data import Labelled
from mnist.images import BadImage, decode
from mnist.network import DigitNetwork
from mnist.preprocess import BlankDrawing, prepare
from mnist.registry import REVOKED, ROLLED_BACK, Feedback, Mark, Registry
from mnist.tuning import Materials

HELD_OUT = "held_out"  # set aside for the exam: this person's drawings are never trained on
HELD_OUT_SHARE = 5  # one session in …


@dataclass(frozen=True, slots=True)
class Lesson:
    """One label, without its picture."""

    id: uuid.UUID
    person: str
    label: int | None
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
class Claim:
    """The labels that a run read, each with its verdict."""

    lessons: Sequence[Lesson]  # oldest first
    images: Labelled  # of every lesson, in order; those of blank ones are empty

    @property
    def learned(self) -> list[int]:
        return [row for row, lesson in enumerate(self.lessons) if lesson.set_aside is None]

    @property
    def held_out(self) -> list[int]:
        return [row for row, lesson in enumerate(self.lessons) if lesson.set_aside == HELD_OUT]

    def take(self, rows: Sequence[int]) -> Labelled:
        return self.images.take(torch.tensor(rows, dtype=torch.long))

    def marks(self, served: set[int]) -> tuple[list[Mark], int]:
        """What to write, and how many labels are learned that no served version had learned."""
        marks, new = [], 0
        for lesson in self.lessons:
            unlearned = lesson.set_aside is None and lesson.processed_by not in served
            new += unlearned or (lesson.set_aside is None and lesson.was_set_aside is not None)
            changed = lesson.set_aside != lesson.was_set_aside and not lesson.is_settled
            if not lesson.is_processed or unlearned or changed:
                marks.append(Mark(lesson.id, lesson.labelled_at, lesson.set_aside, lesson.is_reviewed))
        return marks, new

    def counts(self, new: int) -> dict[str, Any]:
        reasons = Counter(each.set_aside for each in self.lessons if each.set_aside not in (None, HELD_OUT))
        return {
            "rows": len(self.learned),
            "new_rows": new,
            "people": len({self.lessons[row].person for row in self.learned}),
            "held_out": len(self.held_out),
            "set_aside": dict(reasons),
        }

    def digest(self) -> str:
        """Says which labels were learned: SHA-256 over the sorted lines "id label"."""
        lines = sorted(f"{self.lessons[row].id} {self.lessons[row].label}\n" for row in self.learned)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def study(registry: Registry, base: DigitNetwork, materials: Materials, caps: trust.Caps, *, most_rows: int) -> Claim:
    """Read the feedback and decide what to believe. Memory: about 2 kB a label, beside the frames of CHUNK drawings."""
    lessons: list[Lesson] = []
    frames: list[np.ndarray] = []
    for feedback in registry.feedback(most_rows):
        frame, problem = _frame_of(feedback)
        frames.append(frame)
        lessons.append(_lesson(feedback, problem))
    order = sorted(range(len(lessons)), key=lambda row: (lessons[row].labelled_at, lessons[row].id))
    lessons = [lessons[row] for row in order]
    labels = torch.tensor([lesson.label or 0 for lesson in lessons], dtype=torch.long)
    pictures = np.stack([frames[row] for row in order]) if frames else np.zeros((0, 28, 28), np.uint8)
    images = Labelled(torch.from_numpy(pictures), labels)
    open_rows = [row for row, lesson in enumerate(lessons) if lesson.set_aside is None]
    known = Labelled(
        torch.cat([materials.mnist.frames[:KNOWN], materials.strokes.frames]),
        torch.cat([materials.mnist.labels[:KNOWN], materials.strokes.labels]),
    )
    people = [lessons[row].person for row in open_rows]
    verdicts = trust.judge(images.take(torch.tensor(open_rows, dtype=torch.long)), people, base, known, caps)
    for row, verdict in zip(open_rows, verdicts, strict=True):
        lesson = lessons[row]
        if lesson.is_reviewed:  # a person's word goes above the program's
            verdict = None
        if verdict is None and is_held_out(lesson):
            verdict = HELD_OUT
        lessons[row] = _judged(lesson, verdict)
    return Claim(lessons, images)


KNOWN = 8_000  # MNIST images among which neighbours are looked for, beside the drawn ones


def is_held_out(lesson: Lesson) -> bool:
    """Whether a label belongs to the exam: always the same people, chosen by a hash, whatever they do."""
    return hash_of("hold-out", lesson.person or str(lesson.id)) % HELD_OUT_SHARE == 0


def hash_of(*words: str) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest()[:8])


def _frame_of(feedback: Feedback) -> tuple[np.ndarray, str | None]:
    """The (28, 28) frame that serving made of the same picture, or what is wrong with it."""
    try:
        frame = prepare(decode(feedback.image)).frame
    except (BlankDrawing, BadImage):
        return np.zeros((28, 28), np.uint8), trust.BLANK
    return frame, trust.NOT_A_DIGIT if feedback.true_label is None else None


def _lesson(feedback: Feedback, problem: str | None) -> Lesson:
    stays = feedback.set_aside if feedback.reviewed or feedback.set_aside in (ROLLED_BACK, REVOKED) else None
    return Lesson(
        id=feedback.id,
        person=feedback.session_id or "",  # the nameless count as one person: they could be
        label=feedback.true_label,
        labelled_at=feedback.labelled_at,
        processed_by=feedback.processed_by,
        is_processed=feedback.is_processed,
        was_set_aside=feedback.set_aside,
        is_reviewed=feedback.reviewed,
        set_aside=problem or stays,
    )


def _judged(lesson: Lesson, verdict: str | None) -> Lesson:
    return Lesson(**{**{name: getattr(lesson, name) for name in lesson.__slots__}, "set_aside": verdict})
