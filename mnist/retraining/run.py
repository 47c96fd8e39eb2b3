"""One retraining run, from people's labels to a candidate that is promoted or rejected."""

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
from mnist.retraining import exam, gate, quarantine
from mnist.retraining.examples import ExampleSet, drawn_by_lot, load_examples
from mnist.retraining.fine_tuning import FineTuningHyperparameters, choose_alpha, sampling_weights, tune
from mnist.retraining.outcome import Outcome
from mnist.retraining.replay_data import ReplayData
from mnist.store.labels import Labels, Mark
from mnist.store.locks import run_lock
from mnist.store.model_registry import Registry, Version
from mnist.store.secret import Secret

log = logging.getLogger(__name__)
# One in this many of the sessions that are not held out validates alpha instead of being tuned on; others in every run.
VALIDATION_SHARE = 8
SHOWN = 24  # held-out drawings of each kind that the page shows
ENOUGH_FOR_VALIDATION = 40  # labels; with fewer, all are tuned on


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a run, from the settings."""

    min_feedback: int  # new labels below which there is nothing to do
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
    """Fine-tune on all labels that are believed, and promote the candidate if the gate finds it no worse.

    Apart from adding the shipped version, everything changes in one transaction at the end: a run that is killed before
    has changed nothing.
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
        key = Secret(engine).key()
        example_set = load_examples(labels, base.network, replay_data, limits.caps, key, most_rows=limits.most_rows)
        marks, new = example_set.marks(_served(lineup.versions))
        counts = example_set.counts(new)
        if (new == 0 or not example_set.learned) and not lineup.is_new_base:
            labels.mark(marks)
            return Outcome(
                "nothing_to_do", **counts, why=[f"none of {plural(waiting, 'new label')} is to be learned from"]
            )
        tell.stage("learning")
        candidate = _make_candidate(base, example_set, replay_data, hp, lineup.versions[0].version, key, tell)
        tell.stage("examining")
        comparison = _compare(registry, lineup, base, candidate, example_set, replay_data)
        outcome = Outcome(
            "rejected" if comparison.failures else "promoted",
            **counts,
            before=comparison.active.as_metrics(),
            after=comparison.candidate.as_metrics(),
            why=comparison.failures,
            blocked_by=comparison.blocked_by,
            now_read=example_set.ids(comparison.now_read)[:SHOWN],
            no_longer_read=example_set.ids(comparison.no_longer_read)[:SHOWN],
            seconds=round(time.perf_counter() - started, 1),
        )
        marks = example_set.with_blocked(marks, comparison.blocked)
        tell.stage("storing")
        return replace(
            outcome, version=_store(registry, lineup, candidate, comparison, outcome, example_set.digest(), marks)
        )


@dataclass(frozen=True, slots=True)
class _Lineup:
    """The versions in the database when the run starts."""

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
class _Comparison:
    """The candidate's evaluation beside those of the base and the active version."""

    base: gate.Evaluation
    active: gate.Evaluation
    candidate: gate.Evaluation
    gained: float  # believed labels that the candidate reads right beyond those that the active version does
    failures: Sequence[str]  # why it may not be served; empty: it may
    blocked: Sequence[int]  # rows of the held-out examples for which it may not be
    blocked_by: int  # people who gave those
    now_read: Sequence[int]  # rows of the held-out examples that it reads and the active version did not
    no_longer_read: Sequence[int]  # and the other way round


def _compare(
    registry: Registry,
    lineup: _Lineup,
    base: Candidate,
    candidate: Candidate,
    example_set: ExampleSet,
    replay_data: ReplayData,
) -> _Comparison:
    rows = example_set.held_out
    hold_out = example_set.take(rows)

    def evaluate(each: Candidate) -> gate.Evaluation:
        return gate.evaluate(each.network, each.calibration, replay_data, hold_out)

    of_base = evaluate(base)
    active = _read_active(registry, lineup.active, base)
    of_active = of_base if lineup.active.version == lineup.base.version else evaluate(active)
    of_candidate = evaluate(candidate)
    before, after = of_active.held_out_right, of_candidate.held_out_right
    change = exam.compare(before, after, *example_set.origins(rows))
    failures = gate.failures(of_base, of_active, of_candidate, change)
    gained = _gain(active.network, candidate.network, example_set)
    if gained <= 0 and not lineup.is_new_base:
        failures.append("it reads no more of the feedback than the active version")
    lost = [row for row, is_lost in zip(rows, before & ~after, strict=True) if is_lost]
    blocked = lost if gate.says_worse(change) else []
    return _Comparison(
        of_base,
        of_active,
        of_candidate,
        gained,
        failures,
        blocked,
        change.blocked_by if blocked else 0,
        [row for row, is_won in zip(rows, ~before & after, strict=True) if is_won],
        lost,
    )


def _store(
    registry: Registry,
    lineup: _Lineup,
    candidate: Candidate,
    comparison: _Comparison,
    outcome: Outcome,
    digest: str,
    marks: Sequence[Mark],
) -> int:
    """Add the candidate to the versions and mark the labels, in one transaction. Returns its version."""
    base = lineup.base.version
    metrics = {
        **outcome.as_json(),
        "base": comparison.base.as_metrics(),
        "share_of_tuned": candidate.alpha,
        "gained": comparison.gained,
        "labels": digest,
        "trained_from": f"version {base} and {plural(outcome.rows, 'label')} by "
        f"{plural(outcome.people, 'person', 'people')}: retrain.py",
    }
    weights = write_weights(candidate.network, candidate.calibration)
    read_weights(weights)  # raises UnusableWeights, so that what can't be read back is never stored
    if comparison.failures:
        return registry.reject(weights, metrics, parent=base, marks=marks)
    return registry.promote(weights, metrics, parent=base, replaces=lineup.active.version, marks=marks)


def rehearse(
    engine: Engine, shipped: Shipped, load_replay_data: Callable[[], ReplayData], limits: Limits, tell: Tell
) -> tuple[Outcome, ExampleSet]:
    """A dry run: what would be learned, what would be set aside, and why; neither versions nor labels change.

    Raises what `retrain` raises.
    """
    registry = Registry(engine)
    tell.stage("gathering what the network knows")
    replay_data = load_replay_data()
    base = registry.base() if registry.knows(shipped.weights) else None  # a real run would begin by adding them
    network, _ = read_weights(shipped.weights if base is None else registry.weights(base.version))
    tell.stage("reading feedback")
    key = Secret(engine).key()
    example_set = load_examples(Labels(engine), network, replay_data, limits.caps, key, most_rows=limits.most_rows)
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
    alpha: float  # interpolation weight: 0 is the base, 1 the tuned network


def _make_candidate(
    base: Candidate,
    example_set: ExampleSet,
    replay_data: ReplayData,
    hp: FineTuningHyperparameters | None,
    run: int,
    key: bytes,
    tell: Tell,
) -> Candidate:
    rows = example_set.learned
    lot = f"validation {run}"
    validation = [row for row in rows if drawn_by_lot(key, lot, example_set.examples[row].person, VALIDATION_SHARE)]
    if len(rows) < ENOUGH_FOR_VALIDATION or len(validation) == len(rows):
        validation = []
    kept = set(validation)
    tuned_on = [row for row in rows if row not in kept]
    feedback = example_set.take(tuned_on)
    hp = hp or FineTuningHyperparameters()
    tuned = base.network
    if len(feedback):
        is_contradiction = ~gate.read_right(base.network, feedback)
        weights = sampling_weights(is_contradiction, *example_set.origins(tuned_on))
        tuned = tune(base.network, feedback, replay_data, hp, seed=run, progress=tell.step, weights=weights)
    tell.stage("choosing the mix")
    judges = exam.weights(*example_set.origins(validation))
    return Candidate(
        *choose_alpha(base.network, tuned, base.calibration, example_set.take(validation), replay_data, hp, judges)
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


def _gain(active: DigitNetwork, candidate: DigitNetwork, example_set: ExampleSet) -> float:
    """How many more of the believed labels the candidate reads right, as the exam weighs them."""
    rows = example_set.learned + example_set.held_out
    before, after = (gate.read_right(network, example_set.take(rows)) for network in (active, candidate))
    change = exam.compare(before, after, *example_set.origins(rows))
    return round(change.won - change.lost, 2)
