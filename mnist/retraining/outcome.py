"""The outcome of a run, as JSON for scripts and the table of versions, and as one line for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mnist.drawing import plural
from mnist.retraining import gate

OutcomeName = Literal["promoted", "rejected", "nothing_to_do", "dry_run"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one run."""

    outcome: OutcomeName
    version: int | None = None
    rows: int = 0  # labels learned from
    corrections: int = 0  # of the rows, those by which a person contradicted what they were told
    new_rows: int = 0  # of them, those that no served version had learned from
    numbers: int = 0  # of the rows, those of whole numbers
    people: int = 0  # who gave the rows
    held_out: int = 0  # labels in the hold-out set
    set_aside: Mapping[str, int] = field(default_factory=dict)  # labels by reason
    before: Mapping[str, Any] = field(default_factory=dict)  # metrics of the active version
    after: Mapping[str, Any] = field(default_factory=dict)  # metrics of the candidate
    why: Sequence[str] = ()  # reasons of a rejection, or why there was nothing to do
    blocked_by: int = 0  # sessions whose held-out labels stopped the candidate; these labels wait for a review
    now_read: Sequence[str] = ()  # ids of held-out drawings that the candidate reads and the active version did not
    no_longer_read: Sequence[str] = ()  # and the other way round; some of each
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def summary(self) -> str:
        """One line for a person."""
        learned = f"{plural(self.rows, 'label')}, {self.corrections} of them "
        learned += "a correction" if self.corrections == 1 else "corrections"
        learned += f" ({self.numbers} of whole numbers)" if self.numbers else ""
        learned += f", from {plural(self.people, 'person', 'people')}"
        learned += f", {sum(self.set_aside.values())} set aside"
        if self.outcome == "nothing_to_do":
            return f"nothing to do: {'; '.join(self.why)}"
        if self.outcome == "dry_run":
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.set_aside.items()))
            return f"dry run: {learned}{f' ({reasons})' if reasons else ''}, {self.held_out} held out for the exam"
        end = "promoted" if self.outcome == "promoted" else f"rejected: {'; '.join(self.why)}"
        return f"v{self.version}: {learned}; {gate.compared(self.before, self.after)}; {end}."
