"""Training to 99.2 % and 99.5 % of MNIST's test images beside the recipe of PyTorch's basic example.

Run it with `python -m benchmarks.training [--epochs 1 2] [--peer-epochs 3]`. Three things are timed: `train.py` as a
command with so many epochs, which also draws and learns strokes and non-digits; the same network and recipe on MNIST
alone; and the peer, for as many epochs as there is patience: its remaining ones are extrapolated, and said to be.
The test images tell here when a figure is reached, and choose nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.machine import machine
from benchmarks.peers import ROOT
from benchmarks.results import Ratio, record
from mnist.data import load_mnist, split
from mnist.network import DigitNetwork
from mnist.settings import Settings
from mnist.training import Recipe, Source, accuracy, fit, logits_of

PEER_EPOCHS = 14
SEED = 0


def command(epochs: int) -> tuple[float, float]:
    """(seconds from the command to its end, accuracy) of train.py."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "digits.pt"
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "train.py", "--epochs", str(epochs), "--seed", str(SEED), "--out", str(out)],
            cwd=ROOT,
            check=True,
            stderr=subprocess.DEVNULL,
        )
        return time.perf_counter() - started, json.loads(out.with_suffix(".json").read_text())["test_accuracy"]


def on_mnist_alone(epochs: int) -> tuple[float, float]:
    """(seconds of training, accuracy) of the shipped network's recipe without drawings."""
    folder, device = Settings.from_environment().mnist_dir, torch.device("cpu")
    learned, _ = split(load_mnist(folder, train=True))
    test = load_mnist(folder, train=False)
    torch.manual_seed(SEED)
    started = time.perf_counter()
    network = fit(DigitNetwork(), [Source(learned, len(learned))], replace(Recipe(), epochs=epochs), SEED, device)
    seconds = time.perf_counter() - started
    return seconds, accuracy(logits_of(network, test.frames, device), test.labels)


def peer(epochs: int) -> list[tuple[float, float]]:
    """(seconds since its start, accuracy) after each epoch."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers.basic_mnist", str(epochs)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [(each["seconds"], each["accuracy"]) for each in map(json.loads, done.stdout.splitlines())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--alone", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--peer-epochs", type=int, default=3)
    options = parser.parse_args()
    figures, alone, whole = {}, [], []
    theirs = peer(options.peer_epochs)
    for number, (seconds, share) in enumerate(theirs, 1):
        figures[f"the basic example, epoch {number}"] = f"{seconds:.0f} s, {share:.2%}"
    full = theirs[-1][0] / len(theirs) * PEER_EPOCHS
    figures[f"… all {PEER_EPOCHS}, extrapolated from {len(theirs)}"] = f"{full:.0f} s"
    for epochs in options.alone:
        alone.append(on_mnist_alone(epochs))
        figures[f"our network and recipe on MNIST alone, {epochs} epochs"] = f"{alone[-1][0]:.0f} s, {alone[-1][1]:.2%}"
    for epochs in options.epochs:
        whole.append(command(epochs))
        figures[f"python train.py --epochs {epochs}"] = f"{whole[-1][0]:.0f} s, {whole[-1][1]:.2%}"
    ratios = {}
    for goal in (0.992, 0.995):
        their_time = next((seconds for seconds, share in theirs if share >= goal), None)
        known = "" if their_time else f" (its {PEER_EPOCHS} epochs, extrapolated)"
        for name, runs in (("train.py", whole), ("MNIST alone", alone)):
            ours = next((seconds for seconds, share in runs if share >= goal), None)
            if ours:
                value = ours / (their_time or full)
                ratios[f"{name} to {goal:.1%} / the basic example{known}"] = Ratio(
                    value, value, value, "<= 0.033" if goal == 0.992 else ""
                )
    record("training", f"{machine('torch', 'torchvision')}, {torch.get_num_threads()} threads; n = 1", figures, ratios)


if __name__ == "__main__":
    main()
