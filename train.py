"""Train the network from scratch and write its weights with a report beside them.

The whole training replaces the network that ships; the application treats it as a new release at its next start. A
shorter one (--epochs) is written to data/trial.pt, which nothing serves, unless --out says otherwise.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch
from tqdm import tqdm

from mnist import __version__
from mnist.model.network import parameter_count
from mnist.model.weights_file import SHIPPED_WEIGHTS, write_weights
from mnist.settings import BadSetting, Settings
from mnist.training.datasets import MissingMnist, load_mnist
from mnist.training.evaluation import logits_of, score
from mnist.training.from_scratch import TrainingPlan, make_drawings, train
from mnist.training.pendigits import ATTRIBUTION, MissingPendigits, Writing, load_pendigits
from mnist.web import logs

TRIAL = Path(__file__).parent / "data" / "trial.pt"


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    plan = TrainingPlan()
    if options.epochs is not None:
        plan = plan.with_epochs(options.epochs)
    if options.without_pendigits:
        plan = plan.without_people()
        print("Training without what people wrote (--without-pendigits): real handwriting will be read less well.")
    plan = dataclasses.replace(plan, left_out_writers=tuple(options.leave_out_writers))
    device = choose_device(options.device)
    try:
        make_sure_of(options.out.parent)
        settings = Settings.from_environment()
        learned, test = load_mnist(settings.mnist_dir, train=True), load_mnist(settings.mnist_dir, train=False)
        writings: list[Writing] = []
        if not options.without_pendigits:
            writings = load_pendigits(settings.pendigits_dir, fetch=True)
    except (BadSetting, MissingMnist, MissingPendigits, OSError) as error:
        print(error, file=sys.stderr)
        return 1

    started = time.perf_counter()
    workers = max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    with tqdm(total=plan.drawings, desc="drawing", unit="img", unit_scale=True) as bar:
        drawings = make_drawings(plan, workers, bar.update, writings)
    with tqdm(desc="training", unit="step") as bar:

        def show(step: int, steps: int, loss: float | None) -> None:
            bar.total = steps
            bar.update()
            if loss is not None:
                bar.set_postfix_str(f"loss {loss:.3f}")

        trained = train(learned, drawings, plan, options.seed, device, show)
    # The test set is touched here, once, after everything has been chosen on validation.
    tested = score(logits_of(trained.network, test.frames, device), test.labels, trained.calibration)

    weights = write_weights(trained.network, trained.calibration)
    options.out.write_bytes(weights)
    report = {
        "test_accuracy": tested.accuracy,
        "test": dataclasses.asdict(tested),
        "validation": {name: dataclasses.asdict(scores) for name, scores in trained.validation.items()},
        "outlier_auroc": trained.non_digit_auroc,
        "outliers_caught": trained.non_digits_caught,
        "calibration": dataclasses.asdict(trained.calibration),
        "learned_from": sources(plan, writings),
        "parameters": parameter_count(trained.network),
        "bytes": len(weights),
        "seconds": round(time.perf_counter() - started, 1),
        "training_seconds": round(trained.seconds, 1),
        "epochs": plan.hp.epochs,
        "seed": options.seed,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads",
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        # The page shows it to everybody, and where a file was written is nobody's business.
        "command": command(options),
    }
    options.out.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n")
    print(
        f"test {tested.accuracy:.2%} · held-out styles {trained.validation['held_out_styles'].accuracy:.2%} · "
        f"non-digits caught {trained.non_digits_caught:.1%} · {report['parameters']:,} parameters · "
        f"{report['seconds']:.0f} s on {report['device']} · seed {options.seed} · {options.out}"
    )
    return 0


def sources(plan: TrainingPlan, writings: Sequence[Writing]) -> dict[str, str]:
    """What the network was trained on, with whom to thank for it."""
    named = {"MNIST": "55,000 images of its training set", "strokes": "digits and non-digits drawn by this program"}
    if not writings:
        return {**named, "people": "nothing: trained --without-pendigits"}
    people = len({writing.writer for writing in writings} - set(plan.left_out_writers))
    return {**named, "people": f"strokes of {people} writers, drawn anew. {ATTRIBUTION}"}


def command(options: argparse.Namespace) -> str:
    """The command line, without --out and --device."""
    words = ["python train.py"]
    if options.epochs:
        words.append(f"--epochs {options.epochs}")
    if options.without_pendigits:
        words.append("--without-pendigits")
    if options.leave_out_writers:
        words.append(f"--leave-out-writers {' '.join(map(str, options.leave_out_writers))}")
    return " ".join([*words, f"--seed {options.seed}"])


def make_sure_of(folder: Path) -> None:
    """Raises OSError where no file can be written: better known before half an hour of training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"{folder} can't be written to ({error.strerror}); name another file with --out.") from error


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    whole = TrainingPlan().hp.epochs
    parser.add_argument(
        "--epochs", type=positive, metavar="N", help=f"train for N epochs (default {whole}); fewer write data/trial.pt"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="the weights file; the report goes beside it as .json")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    people = parser.add_mutually_exclusive_group()
    people.add_argument(
        "--without-pendigits", action="store_true", help="train without what people wrote (PENDIGITS_DIR)"
    )
    people.add_argument(
        "--leave-out-writers",
        type=positive,
        nargs="+",
        default=[],
        metavar="WRITER",
        help="learn nothing of these of the 30 writers and report how they are read; writes data/trial.pt",
    )
    options = parser.parse_args(arguments)
    if options.out is None:
        is_whole = (options.epochs is None or options.epochs >= whole) and not options.leave_out_writers
        options.out = SHIPPED_WEIGHTS if is_whole else TRIAL
    if options.out.is_dir() or options.out.suffix == ".json":
        parser.error(f"--out {options.out}: name a file for the weights, such as mine.pt; mine.json is the report's")
    return options


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def choose_device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda: this machine has no CUDA device, or this torch was built without CUDA.")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


if __name__ == "__main__":
    logs.configure()
    raise SystemExit(main())
