"""The use case: feedback → candidate → gate → the next version, or a rejected one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from sqlalchemy import Engine
from torch import Tensor

from mnist.model.calibration import Calibration
from mnist.model.network import DigitNetwork
from mnist.model.weights_file import UnusableWeights, read_weights, write_weights
from mnist.retraining import gate, quarantine
from mnist.retraining.examples import Claim, hash_of, study
from mnist.retraining.fine_tuning import TuningRecipe, blend, tune
from mnist.retraining.replay_data import Materials
from mnist.store.labels import Labels
from mnist.store.locks import run_lock
from mnist.store.model_registry import Registry, Version

log = logging.getLogger(__name__)
# One of the other sessions in …, another one in every run, chooses the mix instead of being tuned on.
PRACTICE_SHARE = 8
ENOUGH_FOR_PRACTICE = 40  # labels
OutcomeName = Literal["promoted", "rejected", "nothing_to_do", "dry_run"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may take on; the settings of the same names."""

    min_feedback: int  # waiting labels below which there is nothing to do
    caps: quarantine.Caps
    most_rows: int  # labels that are read at most


@dataclass(frozen=True, slots=True)
class Shipped:
    """The network that came with this release."""

    weights: bytes
    metrics: Mapping[str, Any]


class Tell(Protocol):
    """Progress callbacks of a run."""

    def stage(self, what: str) -> None: ...

    def step(self, done: int, steps: int) -> None: ...


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
        taught = _count(self.rows, "correction")
        taught += f" ({self.numbers} of whole numbers)" if self.numbers else ""
        taught += f" from {_count(self.people, 'person', 'people')}"
        taught += f", {sum(self.set_aside.values())} set aside"
        if self.outcome == "nothing_to_do":
            return f"nothing to do: {'; '.join(self.why)}"
        if self.outcome == "dry_run":
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.set_aside.items()))
            return f"dry run: {taught}{f' ({reasons})' if reasons else ''}, {self.held_out} held out for the exam"
        end = "promoted" if self.outcome == "promoted" else f"rejected: {'; '.join(self.why)}"
        return f"v{self.version}: {taught}; {gate.as_text(self.before, self.after)}; {end}."


def retrain(
    engine: Engine,
    shipped: Shipped,
    gather: Callable[[], Materials],
    limits: Limits,
    tell: Tell,
    recipe: TuningRecipe | None = None,
) -> Outcome:
    """Learn from all feedback that is believed, and serve what comes of it if it is not worse.

    Everything it changes, it changes in one transaction at the end; killed before that, it has changed nothing.
    Raises AnotherRun, StorageUnavailable, ActiveVersionChanged, MissingMnist or UnusableWeights.
    """
    started = time.perf_counter()
    registry, labels = Registry(engine), Labels(engine)
    with run_lock(engine):
        registry.seed(shipped.weights, shipped.metrics)
        versions = registry.versions()
        active = next(version for version in versions if version.status == "active")
        base = next(version for version in versions if version.parent is None)
        is_new_base = base.version > active.version and all(each.parent != base.version for each in versions)
        waiting = labels.waiting()
        if waiting < limits.min_feedback and not is_new_base:
            few = f"{_count(waiting, 'new label')}, and a run needs {limits.min_feedback}"
            return Outcome("nothing_to_do", why=[few])

        tell.stage("gathering what the network knows")
        materials = gather()
        network, calibration = read_weights(registry.weights(base.version))
        tell.stage("reading feedback")
        claim = study(labels, network, materials, limits.caps, most_rows=limits.most_rows)
        marks, new = claim.marks(_served(versions))
        counts = claim.counts(new)
        if (new == 0 or not claim.learned) and not is_new_base:
            labels.mark(marks)
            none = f"none of {_count(waiting, 'new label')} is to be learned from"
            return Outcome("nothing_to_do", **counts, why=[none])

        tell.stage("learning")
        candidate = _make_candidate(network, calibration, claim, materials, recipe, versions[0].version, tell)
        tell.stage("examining")
        held_out = claim.take(claim.held_out)
        base_sheet = gate.examine(network, calibration, materials, held_out)
        now = _read_active(registry, active, network, calibration)
        active_sheet = base_sheet if active.version == base.version else gate.examine(*now, materials, held_out)
        sheet = gate.examine(candidate.network, candidate.calibration, materials, held_out)
        why = gate.objections(base_sheet, active_sheet, sheet)
        gained = _gain(now[0], candidate.network, claim)
        if gained <= 0 and not is_new_base:
            why.append("it reads no more of the feedback than the active version")

        outcome = Outcome(
            "rejected" if why else "promoted",
            **counts,
            before=active_sheet.as_metrics(),
            after=sheet.as_metrics(),
            why=why,
            seconds=round(time.perf_counter() - started, 1),
        )
        metrics = {
            **outcome.as_json(),
            "base": base_sheet.as_metrics(),
            "share_of_tuned": candidate.share,
            "gained": gained,
            "labels": claim.digest(),
            "trained_from": f"version {base.version} and {_count(outcome.rows, 'label')} by "
            f"{_count(outcome.people, 'person', 'people')}: retrain.py",
        }
        tell.stage("storing")
        weights = write_weights(candidate.network, candidate.calibration)
        read_weights(weights)  # what can't be read back is never stored
        if why:
            version = registry.reject(weights, metrics, parent=base.version, marks=marks)
        else:
            version = registry.promote(weights, metrics, parent=base.version, replaces=active.version, marks=marks)
        return replace(outcome, version=version)


def rehearse(
    engine: Engine, shipped: Shipped, gather: Callable[[], Materials], limits: Limits, tell: Tell
) -> tuple[Outcome, Claim]:
    """What a run would learn and what it would set aside, and why; neither versions nor labels change.

    Raises as `retrain`.
    """
    registry = Registry(engine)
    tell.stage("gathering what the network knows")
    materials = gather()
    base = registry.base() if registry.knows(shipped.weights) else None  # a run would begin by adding them
    network, _ = read_weights(shipped.weights if base is None else registry.weights(base.version))
    tell.stage("reading feedback")
    claim = study(Labels(engine), network, materials, limits.caps, most_rows=limits.most_rows)
    _, new = claim.marks(_served(registry.versions()))
    return Outcome("dry_run", **claim.counts(new)), claim


def _served(versions: Sequence[Version]) -> set[int]:
    """The numbers of all versions but the rejected ones."""
    return {version.version for version in versions if version.status != "rejected"}


# --- what a run makes


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    network: DigitNetwork
    calibration: Calibration
    share: float  # of the way from the base to the tuned network


def _make_candidate(
    base: DigitNetwork,
    calibration: Calibration,
    claim: Claim,
    materials: Materials,
    recipe: TuningRecipe | None,
    run: int,
    tell: Tell,
) -> Candidate:
    rows = claim.learned
    practice = [row for row in rows if hash_of(f"practice {run}", claim.lessons[row].person) % PRACTICE_SHARE == 0]
    if len(rows) < ENOUGH_FOR_PRACTICE or len(practice) == len(rows):
        practice = []
    kept = set(practice)
    feedback = claim.take([row for row in rows if row not in kept])
    recipe = recipe or TuningRecipe()
    tuned = tune(base, feedback, materials, recipe, seed=run, progress=tell.step) if len(feedback) else base
    tell.stage("choosing the mix")
    network, share, adjusted = blend(base, tuned, calibration, claim.take(practice), materials, recipe)
    return Candidate(network, adjusted, share)


def _read_active(
    registry: Registry, active: Version, base: DigitNetwork, calibration: Calibration
) -> tuple[DigitNetwork, Calibration]:
    try:
        return read_weights(registry.weights(active.version))
    except UnusableWeights as error:
        log.warning(
            "The weights of the active version %s can't be used, so nobody serves them: %s", active.version, error
        )
        return base, calibration


def _gain(active: DigitNetwork, candidate: DigitNetwork, claim: Claim) -> int:
    """How many more of the believed labels the candidate reads right."""
    believed = claim.take(claim.learned + claim.held_out)
    before, after = (gate.read_right(network, believed) for network in (active, candidate))
    return int(_sum(after) - _sum(before))


def _sum(flags: Tensor) -> int:
    return int(flags.sum().item())


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
