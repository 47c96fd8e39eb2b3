"""What came of a run: for the table of versions, for a script as JSON, for a person as one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mnist.drawing import plural
from mnist.retraining import gate

OutcomeName = Literal["promoted", "rejected", "nothing_to_do", "dry_run"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    outcome: OutcomeName
    version: int | None = None
    rows: int = 0  # labels learned from
    new_rows: int = 0  # of them, those that no served version had learned from
    numbers: int = 0  # of the rows, those of whole numbers
    people: int = 0
    held_out: int = 0
    set_aside: Mapping[str, int] = field(default_factory=dict)  # by reason
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    why: Sequence[str] = ()
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def summary(self) -> str:
        """One line for a person."""
        taught = plural(self.rows, "correction")
        taught += f" ({self.numbers} of whole numbers)" if self.numbers else ""
        taught += f" from {plural(self.people, 'person', 'people')}"
        taught += f", {sum(self.set_aside.values())} set aside"
        if self.outcome == "nothing_to_do":
            return f"nothing to do: {'; '.join(self.why)}"
        if self.outcome == "dry_run":
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.set_aside.items()))
            return f"dry run: {taught}{f' ({reasons})' if reasons else ''}, {self.held_out} held out for the exam"
        end = "promoted" if self.outcome == "promoted" else f"rejected: {'; '.join(self.why)}"
        return f"v{self.version}: {taught}; {gate.compared(self.before, self.after)}; {end}."
