"""Learn from the corrections that people gave, and serve what comes of it if it is not worse. Meant for cron.

Exit codes: 0 promoted, or nothing to do; 3 trained, and the gate rejected the candidate; 4 another retraining is
running; 1 error, nothing was changed; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any, TextIO

import torch
from tqdm import tqdm

from mnist import __version__
from mnist.drawing import StorageUnavailable
from mnist.model.model_card import report_of
from mnist.model.weights_file import SHIPPED_WEIGHTS, UnusableWeights
from mnist.retraining.examples import ExampleSet
from mnist.retraining.quarantine import Caps
from mnist.retraining.replay_data import load_replay_data
from mnist.retraining.run import Limits, Shipped, rehearse, retrain
from mnist.settings import BadSetting, Settings
from mnist.store.engine import connect
from mnist.store.locks import AnotherRun
from mnist.store.model_registry import ActiveVersionChanged, NoSuchVersion, Registry, Version
from mnist.training.datasets import MissingMnist
from mnist.web import logs

PROMOTED, FAILED, REJECTED, BUSY = 0, 1, 3, 4
LAST_VERSION = 2**31 - 1  # the largest number that the database's column can hold
SHAPE = dict.fromkeys(("outcome", "version", "rows", "before", "after"))  # keys of every object that --json prints
NICENESS = 10  # lower priority than serving

log = logging.getLogger("retrain")


def main(arguments: list[str] | None = None) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # reports hold arrows, which not every terminal or log can encode
    options = parse(arguments)
    try:
        return run(options)
    except AnotherRun as busy:
        return say(options, {"outcome": "already_running", "error": str(busy)}, str(busy), BUSY)
    except FAILURES as failure:
        return say(options, {"outcome": "error", "error": str(failure)}, f"Nothing was changed: {failure}", FAILED)
    except KeyboardInterrupt:
        return say(options, {"outcome": "error", "error": "stopped"}, "Stopped; nothing was changed.", FAILED)
    except Exception as unexpected:  # a script that expects a JSON object gets one in any case
        log.exception("An unexpected error")
        why = f"An unexpected error ({type(unexpected).__name__}); the traceback is on stderr."
        return say(options, {"outcome": "error", "error": why}, f"Nothing was changed: {why}", FAILED)


FAILURES = (
    StorageUnavailable,
    MissingMnist,
    UnusableWeights,
    ActiveVersionChanged,
    NoSuchVersion,
    BadSetting,
    OSError,  # the weights or MNIST can't be read
)


def run(options: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    engine = connect(settings.database_url)
    registry = Registry(engine)
    if options.list:
        versions = registry.versions()
        return say(options, {"outcome": "list", "versions": [as_json(each) for each in versions]}, table(versions), 0)
    if options.rollback is not None:
        version = registry.roll_back(None if options.rollback == "previous" else storable(int(options.rollback)))
        return say(
            options,
            {"outcome": "rolled_back", "version": version.version},
            f"Version {version.version} is active again. Labels that it did not learn are set aside; "
            "--rollback to a version that did brings them back.",
            0,
        )

    be_modest(settings.retrain_threads)
    shipped = Shipped(SHIPPED_WEIGHTS.read_bytes(), report_of(SHIPPED_WEIGHTS))
    limits = Limits(
        settings.retrain_min_feedback if options.min_feedback is None else options.min_feedback,
        Caps(per_session=settings.labels_per_session, per_label=settings.labels_per_digit),
        settings.retrain_max_labels,
    )
    watcher = JsonLines() if options.progress else Bar() if sys.stderr.isatty() else Lines()
    if options.dry_run:
        outcome, example_set = rehearse(
            engine, shipped, lambda: load_replay_data(settings.mnist_dir, settings.pendigits_dir), limits, watcher
        )
        return say(options, outcome.as_json(), f"{left_out(example_set)}{outcome.summary}", 0)
    outcome = retrain(
        engine, shipped, lambda: load_replay_data(settings.mnist_dir, settings.pendigits_dir), limits, watcher
    )
    answer = {**outcome.as_json(), "summary": outcome.summary}
    return say(options, answer, outcome.summary, REJECTED if outcome.outcome == "rejected" else PROMOTED)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--min-feedback",
        type=number,
        metavar="N",
        help="fewest new labels to start with (default: RETRAIN_MIN_FEEDBACK, 10)",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object")
    parser.add_argument("--progress", action="store_true", help="tell the progress as lines of JSON on stderr")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="show what would be learned and left out; change nothing")
    what.add_argument(
        "--rollback",
        nargs="?",
        const="previous",
        type=version_number,
        metavar="VERSION",
        help="serve an earlier version again: the one before, or VERSION",
    )
    what.add_argument("--list", action="store_true", help="show all versions")
    return parser.parse_args(arguments)


def number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def version_number(text: str) -> str:
    return text if text == "previous" else str(number(text.removeprefix("v")))


def storable(version: int) -> int:
    """The version itself. Raises NoSuchVersion for a number that no database column can hold."""
    if version > LAST_VERSION:
        raise NoSuchVersion(f"There is no version {version}; --list shows what there is.")
    return version


def be_modest(threads: int) -> None:
    if hasattr(os, "nice") and os.nice(0) < NICENESS:
        os.nice(NICENESS - os.nice(0))
    # With as many threads as cores, one other busy process slows each step tenfold: the threads wait for each other.
    torch.set_num_threads(threads or max(1, torch.get_num_threads() - 1))


def say(options: argparse.Namespace, machine: Mapping[str, Any], person: str, code: int) -> int:
    """Print the result and return the exit code.

    machine: fields of the one JSON object that --json prints. person: the text printed otherwise, errors on stderr.
    If it can't be written, a run keeps its code, for what it did is done; --list and --dry-run have failed then.
    """
    to = sys.stderr if code in (FAILED, BUSY) and not options.json else sys.stdout
    try:
        print(json.dumps({**SHAPE, **machine}) if options.json else person, file=to, flush=True)
    except OSError as error:
        log.error("What came of it could not be written: %s", error.strerror)
        code = FAILED if options.list or options.dry_run else code
    for stream in (sys.stdout, sys.stderr):
        _flush_or_discard(stream)
    return code


def _flush_or_discard(stream: TextIO) -> None:
    """Discard what can't be written; otherwise Python would exit with a code of its own, 120."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def left_out(example_set: ExampleSet) -> str:
    """The report of a dry run: how many labels each reason sets aside, and every disputed label."""
    lines = []
    labels = [each for each in example_set.examples if each.place == 0]
    for reason, count in sorted(Counter(each.set_aside for each in labels if each.set_aside).items()):
        lines.append(f"{count:6d}  {reason}")
    for each in labels:
        if each.set_aside == "disputed":
            who = f" by session {each.person}" if each.person else ""
            lines.append(f"        disputed: {each.id} labelled {each.truth}{who}")
    return "".join(f"{line}\n" for line in lines)


def as_json(version: Version) -> dict[str, Any]:
    return {
        "version": version.version,
        "parent": version.parent,
        "status": version.status,
        "created_at": version.created_at.isoformat(timespec="seconds"),
        "metrics": dict(version.metrics),
    }


def table(versions: list[Version]) -> str:
    if not versions:
        return "There is no version yet: the application's first start, or the first retraining, adds the shipped one."
    lines = ["version  status    made              from  rows  what came of it"]
    for each in versions:
        made = each.created_at.strftime("%Y-%m-%d %H:%M")
        why = "; ".join(each.metrics.get("why", [])) or ("shipped" if each.parent is None else "")
        parent = "-" if each.parent is None else f"v{each.parent}"
        rows = each.metrics.get("rows", "")
        lines.append(f"v{each.version:<7} {each.status:9} {made}  {parent:4}  {rows:>4}  {why}".rstrip())
    return "\n".join(lines)


class Lines:
    """Progress without a terminal: one log line for each stage."""

    def stage(self, what: str) -> None:
        log.info("%s", what)

    def step(self, done: int, steps: int) -> None:
        if done == steps:
            log.info("learned in %s steps", steps)


class JsonLines:
    """Progress as lines of JSON, for the page that started this run."""

    def stage(self, what: str) -> None:
        print(json.dumps({"stage": what}), file=sys.stderr, flush=True)

    def step(self, done: int, steps: int) -> None:
        print(json.dumps({"done": done, "steps": steps}), file=sys.stderr, flush=True)


class Bar:
    """Progress on a terminal."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def stage(self, what: str) -> None:
        tqdm.write(f"{what} …", file=sys.stderr)

    def step(self, done: int, steps: int) -> None:
        if self._bar is None:
            self._bar = tqdm(total=steps, unit="step", file=sys.stderr)
        self._bar.update()
        if done == steps:
            self._bar.close()


if __name__ == "__main__":
    os.umask(os.umask(0) | 0o027)  # as app.py: a database that it makes is nobody else's
    logs.configure()
    raise SystemExit(main())
