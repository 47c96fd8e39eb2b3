"""The domain's words: a drawing, its label, and what can go wrong with either."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

MAX_NUMBER = 12  # digits of a whole number
MAX_SESSION = 64  # characters of the name that tells one person's drawings from another's


class Verdict(StrEnum):
    """What the program says of a picture as a whole; the page, the API, the metrics and the table share these words."""

    DIGIT = "digit"  # one digit, and sure of it
    UNSURE = "unsure"  # asked as a question
    NOT_A_DIGIT = "not_a_digit"
    BLANK = "blank"  # no ink: never stored


class UnknownPrediction(LookupError):
    """No drawing has this id."""


class AlreadyProcessed(RuntimeError):
    """A retraining has already processed this label (learned, held out, set aside), or an administrator decided it."""


class BadLabel(ValueError):
    """A label that is neither a digit 0–9, nor a number of digits, nor None."""


def utc_now() -> datetime:
    """The present moment, with its zone."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a picture comes from, and whose it is."""

    source: str  # "canvas", "upload", "camera" or "api"
    session_id: str | None = None  # the name under which one person's drawings are kept; None: nobody's


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing as it is kept: its picture, what the network said, what a person said."""

    image: bytes  # PNG, as it was drawn
    source: str  # "canvas", "upload", "camera" or "api"
    predicted_digit: int | None  # None: not read as a single digit
    confidence: float  # 0–1
    probabilities: tuple[float, ...]  # ten, indexed by digit, summing to 1
    verdict: str  # one of Verdict
    model_version: int
    session_id: str | None = None
    predicted_number: str | None = None  # "2026" when several digits stand side by side
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    created_at: datetime = field(default_factory=utc_now)
    true_label: int | None = None
    true_number: str | None = None
    labelled_at: datetime | None = None
    feedback_processed: bool = False
    processed_by: int | None = None  # the model version that a retraining made of it

    @property
    def origin(self) -> Origin:
        return Origin(self.source, self.session_id)

    @property
    def is_labelled(self) -> bool:
        return self.labelled_at is not None

    @property
    def guess(self) -> str | None:
        """What the network read, as text; None when it read no digit."""
        return as_text(self.predicted_digit, self.predicted_number)

    @property
    def truth(self) -> str | None:
        """What a person said it is, as text; None when unlabelled, or labelled as no digit."""
        return as_text(self.true_label, self.true_number)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often one version of the network read what people then said."""

    model_version: int
    labelled: int
    right: int  # of those


def parse_label(label: int | str | None) -> tuple[int | None, str | None]:
    """Split a label into (true_label, true_number). Raises BadLabel.

    label: 0–9, a string of 1 to 12 digits, or None for "not a digit".
    """
    if label is None:
        return None, None
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label <= 9:
        return label, None
    if isinstance(label, str) and label.isascii() and label.isdecimal() and len(label) <= MAX_NUMBER:
        return (int(label), None) if len(label) == 1 else (None, label)
    shown = repr(label[:40] if isinstance(label, str) else label)
    raise BadLabel(f"The label is {shown[:60]}; it must be a digit from 0 to 9, or null for “not a digit”.")


def plural(number: int, one: str, many: str | None = None) -> str:
    """1, "label" → "1 label"; 2, "label" → "2 labels"; 2, "was", "were" → "2 were"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def as_text(digit: int | None, number: str | None) -> str | None:
    """A digit or a whole number, as text; None for neither."""
    if number is not None:
        return number
    return None if digit is None else str(digit)


class StorageUnavailable(RuntimeError):
    """The database can't be reached or refuses to work; nothing was stored. Trying again later may succeed."""
