"""The use case: feedback → candidate → gate → the next version, or a rejected one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import Engine

from mnist.drawing import plural
from mnist.model.calibration import Calibration
from mnist.model.network import DigitNetwork
from mnist.model.weights_file import UnusableWeights, read_weights, write_weights
from mnist.retraining import gate, quarantine
from mnist.retraining.examples import ExampleSet, hash_of, load_examples
from mnist.retraining.fine_tuning import FineTuningHyperparameters, choose_alpha, tune
from mnist.retraining.outcome import Outcome
from mnist.retraining.replay_data import ReplayData
from mnist.store.labels import Labels, Mark
from mnist.store.locks import run_lock
from mnist.store.model_registry import Registry, Version

log = logging.getLogger(__name__)
# One of the other sessions in …, another one in every run, chooses the mix instead of being tuned on.
VALIDATION_SHARE = 8
ENOUGH_FOR_VALIDATION = 40  # labels


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


def retrain(
    engine: Engine,
    shipped: Shipped,
    load_replay_data: Callable[[], ReplayData],
    limits: Limits,
    tell: Tell,
    hp: FineTuningHyperparameters | None = None,
) -> Outcome:
    """Learn from all feedback that is believed, and serve what comes of it if it is not worse.

    Everything it changes, it changes in one transaction at the end; killed before that, it has changed nothing.
    Raises AnotherRun, StorageUnavailable, ActiveVersionChanged, MissingMnist or UnusableWeights.
    """
    started = time.perf_counter()
    registry, labels = Registry(engine), Labels(engine)
    with run_lock(engine):
        registry.seed(shipped.weights, shipped.metrics)
        lineup = _line_up(registry)
        waiting = labels.waiting()
        if waiting < limits.min_feedback and not lineup.is_new_base:
            few = f"{plural(waiting, 'new label')}, and a run needs {limits.min_feedback}"
            return Outcome("nothing_to_do", why=[few])
        tell.stage("gathering what the network knows")
        replay_data = load_replay_data()
        base = Candidate(*read_weights(registry.weights(lineup.base.version)), alpha=0.0)
        tell.stage("reading feedback")
        example_set = load_examples(labels, base.network, replay_data, limits.caps, most_rows=limits.most_rows)
        marks, new = example_set.marks(_served(lineup.versions))
        counts = example_set.counts(new)
        if (new == 0 or not example_set.learned) and not lineup.is_new_base:
            labels.mark(marks)
            return Outcome(
                "nothing_to_do", **counts, why=[f"none of {plural(waiting, 'new label')} is to be learned from"]
            )
        tell.stage("learning")
        candidate = _make_candidate(base, example_set, replay_data, hp, lineup.versions[0].version, tell)
        tell.stage("examining")
        exam = _examine(registry, lineup, base, candidate, example_set, replay_data)
        outcome = Outcome(
            "rejected" if exam.failures else "promoted",
            **counts,
            before=exam.active.as_metrics(),
            after=exam.candidate.as_metrics(),
            why=exam.failures,
            seconds=round(time.perf_counter() - started, 1),
        )
        tell.stage("storing")
        return replace(outcome, version=_store(registry, lineup, candidate, exam, outcome, example_set.digest(), marks))


@dataclass(frozen=True, slots=True)
class _Lineup:
    """The versions as a run finds them."""

    versions: Sequence[Version]  # newest first
    active: Version
    base: Version  # the newest that came with a release: where the run starts from

    @property
    def is_new_base(self) -> bool:
        """Whether a release brought a network that no run has tuned yet: then a run needs no new label."""
        return self.base.version > self.active.version and all(
            each.parent != self.base.version for each in self.versions
        )


def _line_up(registry: Registry) -> _Lineup:
    versions = registry.versions()
    active = next(version for version in versions if version.status == "active")
    return _Lineup(versions, active, next(version for version in versions if version.parent is None))


@dataclass(frozen=True, slots=True, eq=False)
class _Exam:
    """How the candidate does beside the base and the active version."""

    base: gate.Evaluation
    active: gate.Evaluation
    candidate: gate.Evaluation
    gained: int  # believed labels that the candidate reads right beyond those that the active version does
    failures: Sequence[str]  # why it may not be served; empty: it may


def _examine(
    registry: Registry,
    lineup: _Lineup,
    base: Candidate,
    candidate: Candidate,
    example_set: ExampleSet,
    replay_data: ReplayData,
) -> _Exam:
    hold_out = example_set.take(example_set.held_out)

    def evaluate(each: Candidate) -> gate.Evaluation:
        return gate.evaluate(each.network, each.calibration, replay_data, hold_out)

    of_base = evaluate(base)
    active = _read_active(registry, lineup.active, base)
    of_active = of_base if lineup.active.version == lineup.base.version else evaluate(active)
    of_candidate = evaluate(candidate)
    failures = gate.failures(of_base, of_active, of_candidate)
    gained = _gain(active.network, candidate.network, example_set)
    if gained <= 0 and not lineup.is_new_base:
        failures.append("it reads no more of the feedback than the active version")
    return _Exam(of_base, of_active, of_candidate, gained, failures)


def _store(
    registry: Registry,
    lineup: _Lineup,
    candidate: Candidate,
    exam: _Exam,
    outcome: Outcome,
    digest: str,
    marks: Sequence[Mark],
) -> int:
    """Add the candidate to the versions and mark the labels, in one transaction. Returns its version."""
    base = lineup.base.version
    metrics = {
        **outcome.as_json(),
        "base": exam.base.as_metrics(),
        "share_of_tuned": candidate.alpha,
        "gained": exam.gained,
        "labels": digest,
        "trained_from": f"version {base} and {plural(outcome.rows, 'label')} by "
        f"{plural(outcome.people, 'person', 'people')}: retrain.py",
    }
    weights = write_weights(candidate.network, candidate.calibration)
    read_weights(weights)  # what can't be read back is never stored
    if exam.failures:
        return registry.reject(weights, metrics, parent=base, marks=marks)
    return registry.promote(weights, metrics, parent=base, replaces=lineup.active.version, marks=marks)


def rehearse(
    engine: Engine, shipped: Shipped, load_replay_data: Callable[[], ReplayData], limits: Limits, tell: Tell
) -> tuple[Outcome, ExampleSet]:
    """What a run would learn and what it would set aside, and why; neither versions nor labels change.

    Raises as `retrain`.
    """
    registry = Registry(engine)
    tell.stage("gathering what the network knows")
    replay_data = load_replay_data()
    base = registry.base() if registry.knows(shipped.weights) else None  # a run would begin by adding them
    network, _ = read_weights(shipped.weights if base is None else registry.weights(base.version))
    tell.stage("reading feedback")
    example_set = load_examples(Labels(engine), network, replay_data, limits.caps, most_rows=limits.most_rows)
    _, new = example_set.marks(_served(registry.versions()))
    return Outcome("dry_run", **example_set.counts(new)), example_set


def _served(versions: Sequence[Version]) -> set[int]:
    """The numbers of all versions but the rejected ones."""
    return {version.version for version in versions if version.status != "rejected"}


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A network with its calibration, and how far it is from the base."""

    network: DigitNetwork
    calibration: Calibration
    alpha: float  # of the way from the base (0) to the tuned network (1)


def _make_candidate(
    base: Candidate,
    example_set: ExampleSet,
    replay_data: ReplayData,
    hp: FineTuningHyperparameters | None,
    run: int,
    tell: Tell,
) -> Candidate:
    rows = example_set.learned
    # The word in the hash is of an earlier release: with another one other people would choose the mix.
    validation = [
        row for row in rows if hash_of(f"practice {run}", example_set.examples[row].person) % VALIDATION_SHARE == 0
    ]
    if len(rows) < ENOUGH_FOR_VALIDATION or len(validation) == len(rows):
        validation = []
    kept = set(validation)
    feedback = example_set.take([row for row in rows if row not in kept])
    hp = hp or FineTuningHyperparameters()
    tuned = base.network
    if len(feedback):
        tuned = tune(base.network, feedback, replay_data, hp, seed=run, progress=tell.step)
    tell.stage("choosing the mix")
    return Candidate(
        *choose_alpha(base.network, tuned, base.calibration, example_set.take(validation), replay_data, hp)
    )


def _read_active(registry: Registry, active: Version, base: Candidate) -> Candidate:
    """The active version, or the base where its weights can't be used."""
    try:
        return Candidate(*read_weights(registry.weights(active.version)), alpha=0.0)
    except UnusableWeights as error:
        log.warning(
            "The weights of the active version %s can't be used, so nobody serves them: %s", active.version, error
        )
        return base


def _gain(active: DigitNetwork, candidate: DigitNetwork, example_set: ExampleSet) -> int:
    """How many more of the believed labels the candidate reads right."""
    believed = example_set.take(example_set.learned + example_set.held_out)
    before, after = (int(gate.read_right(network, believed).sum()) for network in (active, candidate))
    return after - before
