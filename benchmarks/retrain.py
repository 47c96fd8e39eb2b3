"""Measures what retraining does for the people who correct it, with simulated visitors, honest and not.

python -m benchmarks.retrain [gain] [everyday] [noise] [poison] [sevens] [edges] [twenty] [many] [people] [attacks]
                           [--runs N] [--rows N]

Visitors write digits in styles that no network was trained on (`held_out` in digit_styles.py), in the half of them that
the base misreads most, and correct what is misread; in `people` and `attacks` they are real people's digits
(benchmarks/retrain_people.py). Everything runs on SQLite files; MNIST comes from MNIST_DIR.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks import retrain_people
from benchmarks.machine import machine
from benchmarks.results import Ratio, ratio, record
from benchmarks.simulated_users import (
    NOON,
    House,
    Picture,
    as_images,
    error,
    misread,
    misread_styles,
    pictures,
    read_right,
    sessions,
    take,
)
from mnist.model.network import DigitNetwork
from mnist.model.weights_file import SHIPPED_WEIGHTS, read_weights
from mnist.retraining.replay_data import ReplayData, load_replay_data
from mnist.settings import Settings
from mnist.training.datasets import Labelled, load_mnist
from mnist.training.handwriting.digit_styles import Style
from mnist.training.handwriting.strokes import held_out_styles, training_styles
from mnist.vision.image_files import decode

ROOT = Path(__file__).resolve().parent.parent


class Setting:
    """What the measurements share; made when the first one asks for it."""

    def __init__(
        self, base: Path, mnist: Path, folder: Path, runs: int = 20, rows: int = 100_000, only_judges: bool = False
    ) -> None:
        self.weights = base.read_bytes()
        self.base, _ = read_weights(self.weights)
        self.folder = folder
        self.runs = runs  # in a row
        self.rows = rows  # when there are many
        self.only_judges = only_judges  # `people` and `attacks` do not learn
        self._mnist = mnist

    def house(self) -> House:
        return House(self.weights, self.folder, self.replay_data)

    @cached_property
    def styles(self) -> list[Style]:
        styles = misread_styles(self.base)
        print("  styles: " + ", ".join(f"{style.digit} {style.name}" for style in styles), flush=True)
        return styles

    @cached_property
    def corrections(self) -> list[Picture]:
        """Drawings that the base misreads."""
        return misread(self.base, pictures(11, self.styles), 500)

    @cached_property
    def others_drawn(self) -> list[Picture]:
        """A thousand drawings, by still others."""
        return take(pictures(14, self.styles), 1_000)

    @cached_property
    def others(self) -> Labelled:
        """Drawings by other visitors, in the same styles."""
        return as_images(take(pictures(12, self.styles), 6_000))

    @cached_property
    def mnist_test(self) -> Labelled:
        return load_mnist(self._mnist, train=False)

    @cached_property
    def replay_data(self) -> ReplayData:
        return load_replay_data(self._mnist)


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def report(setting: Setting, network: DigitNetwork, title: str) -> float:
    """Print errors beside the base's; returns the share of the base's error that is gone."""
    before, after = error(setting.base, setting.others), error(network, setting.others)
    test_before, test_after = error(setting.base, setting.mnist_test), error(network, setting.mnist_test)
    gone = 1 - after / before
    print(f"  {title}", flush=True)
    print(f"    error on other writers {percent(before)} → {percent(after)}: {gone:.0%} of it gone")
    print(
        f"    MNIST test accuracy {percent(1 - test_before)} → {percent(1 - test_after)}: "
        f"{100 * (test_before - test_after):+.2f} points"
    )
    return gone


def rates(house: House, ids: Sequence[uuid.UUID], kinds: Sequence[str]) -> None:
    """Print what became of each kind of label."""
    standing = house.standing()
    for kind in sorted(set(kinds)):
        fates = Counter(
            standing.get(each, "waits") or "learned" for each, own in zip(ids, kinds, strict=True) if own == kind
        )
        count = fates.total()
        reasons = ", ".join(f"{number} {fate}" for fate, number in fates.most_common())
        print(f"    {kind}: {count}, of them {fates['disputed'] / count:.0%} in quarantine ({reasons})")


def right_or_wrong(labels: Sequence[int], drawn: Sequence[Picture]) -> list[str]:
    pairs = zip(labels, drawn, strict=True)
    return ["right labels" if label == picture.digit else "wrong labels" for label, picture in pairs]


@dataclass(frozen=True, slots=True)
class Command:
    """What a run of retrain.py said, and what it took."""

    said: Mapping[str, Any]
    seconds: float
    processor: float  # seconds, of all threads
    gibibytes: float  # at its peak


def run_command(house: House, *options: str) -> Command:
    environment = {
        **os.environ,
        "DATABASE_URL": house.url.render_as_string(),
        "RETRAIN_MAX_LABELS": "1000000",
    }
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "retrain.py", "--json", *options], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        answer = child.stdout.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if child.returncode not in (0, 3):
        raise SystemExit(f"retrain.py exits {child.returncode}: {answer}")
    return Command(json.loads(answer), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20)


# --- the measurements


def gain(setting: Setting) -> None:
    """500 corrections, the command itself, timed."""
    house = House(setting.weights, setting.folder)
    drawn = setting.corrections
    house.label(drawn, [picture.digit for picture in drawn], sessions(len(drawn)))
    command = run_command(house)
    said = command.said
    report(setting, house.active(), f"500 corrections: {said['outcome']}, {said['rows']} learned, {said['set_aside']}")
    if said["why"]:
        print(f"    why: {said['why']}")
    print(
        f"    {command.seconds:.0f} s of 90 ({command.processor:.0f} s of processor time), "
        f"{command.gibibytes:.2f} GiB of 1.5 (peak of the process)"
    )
    house.engine.dispose()


def everyday(setting: Setting) -> None:
    """1,500 labels by people who say what it is whether the base reads it or not: nearly all confirm it."""
    in_all_styles = [*training_styles(), *setting.styles]
    for seed in (500, 540):
        usual, unusual = take(pictures(seed, in_all_styles), 1_200), take(pictures(seed + 1, setting.styles), 300)
        drawn = [each for part in zip(*[iter(usual)] * 4, unusual, strict=True) for each in part]
        house = setting.house()
        ids = house.label(drawn, [picture.digit for picture in drawn], sessions(len(drawn)))
        outcome = house.retrain()
        report(setting, house.active(), f"1,500 labels, a fifth in these styles: {outcome.summary}")
        kinds = ["confirmed" if is_right else "corrected" for is_right in read_right(setting.base, drawn)]
        rates(house, ids, kinds)
        house.engine.dispose()


def noise(setting: Setting) -> None:
    """The same 500, clean and with a tenth of the labels wrong at random."""
    rng = np.random.default_rng(1)
    drawn = setting.corrections
    gains = []
    for share in (0.0, 0.1):
        house = setting.house()
        given = [_any_other(each.digit, rng) if rng.random() < share else each.digit for each in drawn]
        ids = house.label(drawn, given, sessions(len(drawn)))
        outcome = house.retrain()
        gains.append(report(setting, house.active(), f"{share:.0%} wrong labels: {outcome.summary}"))
        rates(house, ids, right_or_wrong(given, drawn))
        house.engine.dispose()
    print(f"  kept of the gain: {gains[1] / gains[0]:.0%} (at least 80 % wanted)")


def _any_other(digit: int, rng: np.random.Generator) -> int:
    return (digit + int(rng.integers(1, 10))) % 10


def poison(setting: Setting) -> None:
    """Three in ten of all labels wrong on purpose, among honest ones."""
    drawn = take(pictures(77, setting.styles), 1200)
    rng = np.random.default_rng(2)
    at_random = [_any_other(each.digit, rng) if rng.random() < 0.3 else each.digit for each in drawn]
    is_gang = [number % 10 < 3 for number in range(len(drawn))]
    by_gang = [(each.digit + gang) % 10 for each, gang in zip(drawn, is_gang, strict=True)]
    visitors = sessions(len(drawn))
    members = [f"gang {number % 60}" if gang else visitors[number] for number, gang in enumerate(is_gang)]
    for title, labels, people in (("at random", at_random, visitors), ("by a gang that adds 1", by_gang, members)):
        house = setting.house()
        ids = house.label(drawn, labels, people)
        outcome = house.retrain()
        report(setting, house.active(), f"30 % wrong {title}: {outcome.summary}")
        rates(house, ids, right_or_wrong(labels, drawn))
        house.engine.dispose()


VANDAL = (
    "vandal"  # not one of the sessions that are held out; else nothing of it could be learned, whatever was believed
)


def sevens(setting: Setting) -> None:
    """One session draws 120 sevens and calls every one a 1, beside honest people."""
    style = [style for style in held_out_styles() if style.digit == 7]
    ambiguous = misread(setting.base, pictures(81, style), 40, most=10_000)
    drawn = take(pictures(82, style), 300)
    plain = [each for each, right in zip(drawn, read_right(setting.base, drawn), strict=True) if right]
    plain = plain[: 120 - len(ambiguous)]
    unseen = as_images(take(pictures(83, style), 3_000))
    test = setting.mnist_test.take(torch.nonzero(setting.mnist_test.labels == 7).flatten())
    for title, styles in (
        ("and honest people who draw 7s, too", setting.styles + style),
        ("and nobody honest draws a 7", [each for each in setting.styles if each.digit != 7]),
    ):
        honest = take(pictures(84, styles), 600) + misread(setting.base, pictures(85, styles), 300)
        house = setting.house()
        # Half of the honest labels come before the vandal's, half after.
        everyone = [*honest[:450], *plain, *ambiguous, *honest[450:]]
        kinds = [
            *["honest labels"] * 450,
            *["the vandal's 7s that the base reads"] * len(plain),
            *["the vandal's 7s that the base misreads"] * len(ambiguous),
            *["honest labels"] * 450,
        ]
        visitors = iter(sessions(len(everyone)))
        people = [VANDAL if kind.startswith("the vandal") else next(visitors) for kind in kinds]
        labels = [1 if who == VANDAL else each.digit for each, who in zip(everyone, people, strict=True)]
        ids = house.label(everyone, labels, people)
        outcome = house.retrain()
        network = house.active()
        report(setting, network, f"{title}: {outcome.summary}")
        rates(house, ids, kinds)
        before, after = (error(each, unseen) for each in (setting.base, network))
        print(f"    error on 7s by other writers of the vandal's style {percent(before)} → {percent(after)}")
        before, after = (error(each, test) for each in (setting.base, network))
        print(f"    error on MNIST's test 7s {percent(before)} → {percent(after)}", flush=True)
        house.engine.dispose()


def edges(setting: Setting) -> None:
    """Hardly anything, one class, only wrong labels."""
    drawn = setting.corrections
    ones = [picture for picture in drawn if picture.digit == drawn[0].digit]
    cases: dict[str, tuple[Sequence[Picture], Sequence[int]]] = {
        "0 rows": ([], []),
        "10 rows": (drawn[:10], [picture.digit for picture in drawn[:10]]),
        f"{len(ones)} rows, all {drawn[0].digit}s": (ones, [picture.digit for picture in ones]),
        "200 rows, all labels wrong": (drawn[:200], [(picture.digit + 3) % 10 for picture in drawn[:200]]),
    }
    for title, (some, labels) in cases.items():
        house = setting.house()
        ids = house.label(some, labels, sessions(len(some)))
        outcome = house.retrain()
        report(setting, house.active(), f"{title}: {outcome.summary}")
        rates(house, ids, right_or_wrong(labels, some))
        house.engine.dispose()


def twenty(setting: Setting) -> None:
    """Twenty runs in a row (--runs), each with 100 more corrections of what the base misreads."""
    house = setting.house()
    source = pictures(99, setting.styles)
    base_right, base_test = 1 - error(setting.base, setting.others), 1 - error(setting.base, setting.mnist_test)
    best, fall, worst_test, right = base_right, 0.0, base_test, base_right
    print("  run  outcome   learned  other writers  MNIST test  seconds")
    print(f"  {'base':23}  {percent(base_right):>13}  {percent(base_test):>10}", flush=True)
    for run in range(setting.runs):
        drawn = misread(setting.base, source, 100)
        house.label(drawn, [picture.digit for picture in drawn], sessions(100, prefix=f"week {run // 4} visitor"))
        outcome = house.retrain()
        network = house.active()
        right, test = 1 - error(network, setting.others), 1 - error(network, setting.mnist_test)
        fall, best, worst_test = max(fall, best - right), max(best, right), min(worst_test, test)
        print(
            f"  {run + 1:3}  {outcome.outcome:9} {outcome.rows:7}  {percent(right):>13}  {percent(test):>10}"
            f"  {outcome.seconds:7.0f}  {'; '.join(outcome.why)}",
            flush=True,
        )
    deviation = (2 * best * (1 - best) / len(setting.others)) ** 0.5
    print(
        f"  error on other writers {percent(1 - base_right)} → {percent(1 - right)}; largest fall of their accuracy "
        f"from the best so far {100 * fall:.2f} points (SD of a difference by chance: {100 * deviation:.2f})"
    )
    print(f"  MNIST test at its lowest {100 * (worst_test - base_test):+.2f} points from the base (0.10 may be lost)")
    house.engine.dispose()


def many(setting: Setting) -> None:
    """100 labels, and ten times as many, up to 100,000 (--rows): time and memory of the command, into results.json."""
    figures: dict[str, str] = {}
    ratios: dict[str, Ratio] = {}
    training = json.loads(SHIPPED_WEIGHTS.with_suffix(".json").read_text())["seconds"]
    print("  labels   learned  held out  seconds  processor  GiB at the peak  set aside")
    rows, before = 100, None
    while rows <= setting.rows:
        house = House(setting.weights, setting.folder)
        fill(house, rows, setting.styles)
        command = run_command(house)
        said = command.said
        print(
            f"  {rows:7,}  {said['rows']:7,}  {said['held_out']:8,}  {command.seconds:7.0f}  {command.processor:9.0f}  "
            f"{command.gibibytes:15.2f}  {said['set_aside']} {said['outcome']} {'; '.join(said['why'])}",
            flush=True,
        )
        assert house.labels.waiting() == 0, "labels were left waiting"
        if before is not None:
            ratios[f"time of {rows:,} / {rows // 10:,} corrections"] = ratio(
                [command.seconds], [before.seconds], "<= 10"
            )
            ratios[f"memory of {rows:,} / {rows // 10:,} corrections"] = ratio([command.gibibytes], [before.gibibytes])
        if rows == 1_000:
            name = "1,000 corrections / the shipped network's training (two threads, when it was made)"
            ratios[name] = ratio([command.seconds], [training], "<= 0.1")
        figures[f"{rows:,} corrections, {said['rows']:,} learned"] = (
            f"{command.seconds:,.0f} s, {command.processor:,.0f} s of processor time, "
            f"{command.gibibytes:.2f} GiB at the peak"
        )
        before, rows = command, rows * 10
        house.engine.dispose()
    record("retrain", f"{machine('torch', 'sqlalchemy')}; n = 1", figures, ratios)


def fill(house: House, count: int, styles: Sequence[Style]) -> None:
    """Put `count` labelled drawings by 60 rows a visitor straight into the table: 2,000 drawings, each time turned."""
    drawn = take(pictures(13, styles), min(count, 2_000))
    assert house.url.database is not None
    columns = (
        "id created_at labelled_at source session_id image confidence probabilities verdict model_version true_label"
    )
    connection = sqlite3.connect(house.url.database)
    connection.execute("PRAGMA synchronous=OFF")  # nobody was promised anything
    with connection:
        connection.executemany(
            f"INSERT INTO predictions ({columns.replace(' ', ', ')}, feedback_processed, reviewed) "
            f"VALUES ({', '.join('?' * len(columns.split()))}, 0, 0)",
            _turned(drawn, count),
        )
    connection.close()


def _turned(drawn: Sequence[Picture], count: int) -> Iterator[tuple[object, ...]]:
    rng = np.random.default_rng(3)
    decoded = [np.ascontiguousarray(decode(each.png)[..., 0]) for each in drawn]
    for number in range(count):
        pixels = decoded[number % len(drawn)]
        middle = (pixels.shape[1] / 2, pixels.shape[0] / 2)
        turn = cv2.getRotationMatrix2D(middle, float(rng.uniform(-20, 20)), float(rng.uniform(0.75, 0.95)))
        turned = cv2.warpAffine(pixels, turn, (pixels.shape[1], pixels.shape[0]))
        png = cv2.imencode(".png", turned, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
        when = (NOON + timedelta(seconds=number)).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.000000")
        who = f"visitor {number // 60}"
        label = drawn[number % len(drawn)].digit
        yield uuid.UUID(int=number).hex, when, when, "canvas", who, png, 0.5, "[]", "unsure", 1, label


PARTS = {
    "gain": gain,
    "everyday": everyday,
    "noise": noise,
    "poison": poison,
    "sevens": sevens,
    "edges": edges,
    "twenty": twenty,
    "many": many,
    "people": retrain_people.people,
    "attacks": retrain_people.attacks,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--base", type=Path, default=SHIPPED_WEIGHTS, help="weights to start from")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=20, help="of `twenty` (default %(default)s)")
    parser.add_argument("--rows", type=int, default=100_000, help="of `many` (default %(default)s)")
    parser.add_argument("--judge", action="store_true", help="`people`, `attacks`: judge the labels, learn nothing")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(
            options.base,
            Settings.from_environment().mnist_dir,
            Path(folder),
            runs=options.runs,
            rows=options.rows,
            only_judges=options.judge,
        )
        for name in options.parts or PARTS:
            print(f"{name}: {PARTS[name].__doc__}", flush=True)
            PARTS[name](setting)


if __name__ == "__main__":
    main()
