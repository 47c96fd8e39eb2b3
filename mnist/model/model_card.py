"""What is known about one version of the network: when and from what it was trained, and how well it does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The facts about one version."""

    version: int
    trained_at: datetime | None = None  # None: unknown
    trained_from: str = "unknown"  # in words: the data, and the version that it started from
    metrics: dict[str, Any] = field(default_factory=dict)  # as the training reported them; values are JSON


def read_report(path: Path, version: int) -> ModelCard:
    """The card of weights that `train.py` made, from the report that it wrote beside them.

    Without a readable report the card knows only the version: serving goes on.
    """
    try:
        report = json.loads(path.read_text())
        trained_at = datetime.fromisoformat(report["trained_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return ModelCard(version)
    return ModelCard(
        version=version,
        trained_at=trained_at if trained_at.tzinfo else trained_at.replace(tzinfo=UTC),
        trained_from=f"{_sources(report)}, from scratch: {report.get('command', 'train.py')}",
        metrics=report,
    )


def report_of(weights: Path) -> Mapping[str, Any]:
    """The metrics of shipped weights as the table of versions holds them. weights: the path of the weights file."""
    card = read_report(weights.with_suffix(".json"), version=0)
    return {**card.metrics, "trained_from": card.trained_from}


def _sources(report: Mapping[str, Any]) -> str:
    """What a network of our own training learned from, and whom to thank for it."""
    drawn = "digits drawn by the program itself"
    learned = report.get("learned_from")
    people = str(learned.get("people", "nothing")) if isinstance(learned, dict) else "nothing"
    return f"MNIST and {drawn}" if people.startswith("nothing") else f"MNIST, {drawn}, and {people}"
