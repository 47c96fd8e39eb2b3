"""The domain model: drawings, labels, verdicts, and the errors that concern them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

MAX_NUMBER = 32  # maximum digits of a whole number
ROW_BYTES = 4096  # of a stored drawing besides its picture, indexes included; an upper estimate
MAX_SESSION = 64  # maximum characters of a session id


class Verdict(StrEnum):
    """The judgement of a whole picture; page, API, metrics and database use these values."""

    DIGIT = "digit"  # read with enough confidence
    NUMBER = "number"  # several digits, read with enough confidence
    UNSURE = "unsure"  # the page asks the visitor whether the digit is right
    NOT_A_DIGIT = "not_a_digit"  # something else was drawn
    BLANK = "blank"  # no ink; such a picture is never stored


class UnknownPrediction(LookupError):
    """No drawing has this id."""


class AlreadyProcessed(RuntimeError):
    """The label is final: a retraining learned it, held it out or set it aside, or an administrator decided it."""


class BadLabel(ValueError):
    """The label is not a digit 0–9, a string of 1 to MAX_NUMBER digits, or None."""


def utc_now() -> datetime:
    """The current time as an aware datetime in UTC."""
    return datetime.now(UTC)


IMPORTED = "import"  # the source of pictures that an administrator brought, with labels


@dataclass(frozen=True, slots=True)
class Origin:
    """How a picture was submitted, and by whom."""

    source: str  # "canvas", "upload", "camera", "api" or IMPORTED
    session_id: str | None = None  # identifies one person's drawings; None: unknown
    is_one_person: bool = True  # False: the session is an address, which many people may share
    network: str | None = None  # whence it came, for the store to digest; None: an API key vouches for the session


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is stored of one drawing except its picture: the network's prediction and a person's label."""

    source: str  # "canvas", "upload", "camera", "api" or IMPORTED
    predicted_digit: int | None  # None: no digit, or several (predicted_number)
    confidence: float  # 0–1
    probabilities: tuple[float, ...]  # ten, indexed by digit, summing to 1
    verdict: str  # a value of Verdict
    model_version: int
    session_id: str | None = None
    predicted_number: str | None = None  # several digits side by side, such as "2026"
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    created_at: datetime = field(default_factory=utc_now)
    true_label: int | None = None  # 0–9; both this and true_number None with labelled_at set: "not a digit"
    true_number: str | None = None  # several digits
    labelled_at: datetime | None = None  # None: unlabelled
    feedback_processed: bool = False  # whether a retraining has read the label
    processed_by: int | None = None  # the version, active or rejected, that was trained on it
    network: str | None = None  # as in Origin; once it is stored, a keyed digest

    @property
    def origin(self) -> Origin:
        return Origin(self.source, self.session_id, network=self.network)

    @property
    def is_labelled(self) -> bool:
        return self.labelled_at is not None

    @property
    def guess(self) -> str | None:
        """The prediction as text; None when the network read no digit."""
        return as_text(self.predicted_digit, self.predicted_number)

    @property
    def truth(self) -> str | None:
        """The label as text; None when there is none, or it is "not a digit"."""
        return as_text(self.true_label, self.true_number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing(Record):
    """One stored drawing with its picture. Lists do with the Record: a photo's picture may have 2 MB."""

    image: bytes  # PNG, as it was drawn; a photo may be WebP

    @property
    def stored_bytes(self) -> int:
        """What its row takes, about."""
        return len(self.image) + ROW_BYTES


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often the predictions of one model version agreed with the labels."""

    model_version: int
    labelled: int  # labelled drawings that this version read
    right: int  # of those, predicted as labelled


def parse_label(label: int | str | None) -> tuple[int | None, str | None]:
    """Validate a label and split it into (true_label, true_number). Raises BadLabel.

    label: 0–9, a string of 1 to 32 digits, or None for "not a digit".
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
    """The digit or the whole number as text; None if both are None."""
    if number is not None:
        return number
    return None if digit is None else str(digit)


class StorageUnavailable(RuntimeError):
    """The database can't be reached or failed; nothing was stored, and a later attempt may succeed."""


class DatabaseFull(StorageUnavailable):
    """The database has as many bytes as it may have; labels of what it holds are stored, and nothing new."""
