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
    new_rows: int = 0  # of them, those that no served version had learned from
    numbers: int = 0  # of the rows, those of whole numbers
    people: int = 0  # who gave the rows
    held_out: int = 0  # labels in the hold-out set
    set_aside: Mapping[str, int] = field(default_factory=dict)  # labels by reason
    before: Mapping[str, Any] = field(default_factory=dict)  # metrics of the active version
    after: Mapping[str, Any] = field(default_factory=dict)  # metrics of the candidate
    why: Sequence[str] = ()  # reasons of a rejection, or why there was nothing to do
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def summary(self) -> str:
        """One line for a person."""
        learned = plural(self.rows, "correction")
        learned += f" ({self.numbers} of whole numbers)" if self.numbers else ""
        learned += f" from {plural(self.people, 'person', 'people')}"
        learned += f", {sum(self.set_aside.values())} set aside"
        if self.outcome == "nothing_to_do":
            return f"nothing to do: {'; '.join(self.why)}"
        if self.outcome == "dry_run":
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.set_aside.items()))
            return f"dry run: {learned}{f' ({reasons})' if reasons else ''}, {self.held_out} held out for the exam"
        end = "promoted" if self.outcome == "promoted" else f"rejected: {'; '.join(self.why)}"
        return f"v{self.version}: {learned}; {gate.compared(self.before, self.after)}; {end}."
