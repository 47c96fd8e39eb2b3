"""Times training to 99.2 % and 99.5 % of MNIST's test images, beside PyTorch's basic example.

Run it with `python -m benchmarks.training [--epochs 1 2] [--peer-epochs 3]`. Three things are timed: `train.py` as a
command with so many epochs, which also makes and learns strokes and non-digits; the same network and recipe on MNIST
alone; and the peer for a few epochs, whose remaining ones are extrapolated and reported as such.
The test images only show when an accuracy is reached; nothing is chosen by them.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.machine import machine
from benchmarks.peers import ROOT
from benchmarks.results import Ratio, record
from mnist.model.network import DigitNetwork
from mnist.settings import Settings
from mnist.training.datasets import load_mnist, split
from mnist.training.evaluation import accuracy, logits_of
from mnist.training.fit import Source, fit
from mnist.training.from_scratch import TrainingPlan

PEER_EPOCHS = 14
SEED = 0


@dataclass(frozen=True, slots=True)
class Run:
    """One training, or its beginning."""

    seconds: float
    work: float  # seconds of processor time
    accuracy: float  # on MNIST's test images, 0–1

    def __str__(self) -> str:
        return f"{self.seconds:.0f} s, {self.work:.0f} s of processor time, {self.accuracy:.2%}"


def processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def command(epochs: int) -> Run:
    """train.py, from the command to its end."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "digits.pt"
        started, spent = time.perf_counter(), processor_seconds()
        subprocess.run(
            [sys.executable, "train.py", "--epochs", str(epochs), "--seed", str(SEED), "--out", str(out)],
            cwd=ROOT,
            check=True,
            stderr=subprocess.DEVNULL,
        )
        found = json.loads(out.with_suffix(".json").read_text())["test_accuracy"]
        return Run(time.perf_counter() - started, processor_seconds() - spent, found)


def on_mnist_alone(epochs: int) -> Run:
    """The shipped network's recipe without drawings."""
    folder, device = Settings.from_environment().mnist_dir, torch.device("cpu")
    learned, _ = split(load_mnist(folder, train=True))
    test = load_mnist(folder, train=False)
    torch.manual_seed(SEED)
    started, spent = time.perf_counter(), processor_seconds()
    hp = TrainingPlan().with_epochs(epochs).hp
    network = fit(DigitNetwork(), [Source(learned, len(learned))], hp, SEED, device)
    seconds, work = time.perf_counter() - started, processor_seconds() - spent
    return Run(seconds, work, accuracy(logits_of(network, test.frames, device), test.labels))


def peer(epochs: int) -> list[Run]:
    """The peer since its start, after each epoch."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.basic_mnist", str(epochs)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [Run(**each) for each in map(json.loads, done.stdout.splitlines())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--alone", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--peer-epochs", type=int, default=3)
    options = parser.parse_args()
    theirs = peer(options.peer_epochs)
    alone = [on_mnist_alone(epochs) for epochs in options.alone]
    whole = [command(epochs) for epochs in options.epochs]
    figures = {f"the basic example, epoch {number}": str(run) for number, run in enumerate(theirs, 1)}
    whole_peer = theirs[-1].work / len(theirs) * PEER_EPOCHS
    figures[f"… all {PEER_EPOCHS}, extrapolated from {len(theirs)}"] = f"{whole_peer:.0f} s of processor time"
    figures |= {
        f"our network and recipe on MNIST alone, {epochs} epochs": str(run)
        for epochs, run in zip(options.alone, alone, strict=True)
    }
    figures |= {f"python train.py --epochs {n}": str(run) for n, run in zip(options.epochs, whole, strict=True)}
    ratios = {}
    for goal in (0.992, 0.995):
        theirs_there = next((run.work for run in theirs if run.accuracy >= goal), None)
        known = "" if theirs_there else f" (its {PEER_EPOCHS} epochs, extrapolated)"
        for name, runs in (("train.py", whole), ("MNIST alone", alone)):
            ours_there = next((run.work for run in runs if run.accuracy >= goal), None)
            if ours_there:
                value = ours_there / (theirs_there or whole_peer)
                ratios[f"processor time to {goal:.1%}, {name} / the basic example{known}"] = Ratio(
                    value, value, value, "<= 0.033" if goal == 0.992 else ""
                )
    record("training", f"{machine('torch', 'torchvision')}, {torch.get_num_threads()} threads; n = 1", figures, ratios)


if __name__ == "__main__":
    main()
