"""Retraining on the digits of real people: some of them label what they wrote, and the others are judged.

The parts `people` and `attacks` of benchmarks/retrain.py. REAL_DIR holds `cheque-digits/labels.csv` (file, label,
person: one cheque is one person), which stays outside of the repository.
"""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.simulated_users import LIMITS, House, Picture, Silent, as_images, error, read_right, sessions
from mnist.retraining.examples import HELD_OUT_SHARE, drawn_by_lot
from mnist.retraining.run import rehearse
from mnist.store.secret import Secret
from mnist.training.evaluation import logits_of
from mnist.vision.image_files import decode
from mnist.vision.ink import BlankDrawing
from mnist.vision.prepare import prepare

if TYPE_CHECKING:
    from benchmarks.retrain import Setting

GIVING = 174  # people who label; the rest is judged
SEED = 1  # of the choice of people
ROUTER = "one visitor's network"


def people(setting: Setting) -> None:
    """People label the digits of their own cheque, as they come, and with 30 % wrong; the others are judged."""
    giving, others = _cheques()
    rng = np.random.default_rng(3)
    right = [picture.digit for _, picture in giving]
    noisy = [(digit + int(rng.integers(1, 10))) % 10 if rng.random() < 0.3 else digit for digit in right]
    _print_head()
    for title, labels in (("as they come", right), ("30 % wrong", noisy)):
        house = setting.house()
        _label(setting, house, giving, labels)
        _run(setting, house, title, [picture for _, picture in giving], labels, others)
        house.engine.dispose()


def attacks(setting: Setting) -> None:
    """One visitor with many sessions tries to stop what people teach, or to teach something wrong."""
    giving, others = _cheques()
    drawn, labels = [picture for _, picture in giving], [picture.digit for _, picture in giving]
    _print_head()
    misread = setting.corrections[:130]
    said = logits_of(setting.base, as_images(misread).frames)[:, :10].argmax(dim=1).tolist()
    house = setting.house()
    key = Secret(house.engine).key()  # they could not know it: this is the worst case
    chosen = [name for name in map(str, range(99)) if drawn_by_lot(key, "hold-out", name, HELD_OUT_SHARE)][:4]
    _label(setting, house, giving, labels)
    house.label(misread, said, [chosen[number % 4] for number in range(130)], [ROUTER] * 130)
    _run(setting, house, "4 sessions confirm mistakes", [*drawn, *misread], [*labels, *said], others)
    house.engine.dispose()

    read = [each for each in setting.others_drawn if read_right(setting.base, [each])[0]]
    two = logits_of(setting.base, as_images(read).frames).softmax(dim=1)[:, :10].topk(2, dim=1)
    likely = torch.nonzero(two.values[:, 1] > 0.03).flatten().tolist()[:350]
    lies, second = [read[each] for each in likely], [int(two.indices[each, 1]) for each in likely]
    house = setting.house()
    _label(setting, house, giving, labels)
    house.label(lies, second, sessions(len(lies), 50, "invented"), [ROUTER] * len(lies))
    _run(setting, house, "50 sessions say the runner-up", [*drawn, *lies], [*labels, *second], others)
    house.engine.dispose()


def _cheques() -> tuple[list[tuple[str, Picture]], list[Picture]]:
    """Digits of those who label, each with its person; and digits of the others."""
    folder = Path(os.environ.get("REAL_DIR", "../shared/real")) / "cheque-digits"
    giving, others = [], []
    with (folder / "labels.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    names = sorted({row["person"] for row in rows})
    random.Random(SEED).shuffle(names)
    givers = set(names[:GIVING])
    for row in rows:
        png = (folder / row["file"]).read_bytes()
        try:
            picture = Picture(png, prepare(decode(png)).frame, int(row["label"]))
        except BlankDrawing:
            continue
        if row["person"] in givers:
            giving.append((row["person"], picture))
        else:
            others.append(picture)
    return giving, others


def _label(setting: Setting, house: House, giving: Sequence[tuple[str, Picture]], labels: Sequence[int]) -> None:
    drawn = [picture for _, picture in giving]
    told = logits_of(setting.base, as_images(drawn).frames)[:, :10].argmax(dim=1).tolist()
    house.label(drawn, labels, [f"person {name}" for name, _ in giving], told=told)


def _print_head() -> None:
    print(
        f"  {'':30} labels corrections believed  quarantined: right corrections, wrong  others' error  MNIST  seconds"
    )


def _run(
    setting: Setting, house: House, title: str, drawn: Sequence[Picture], labels: Sequence[int], others: list[Picture]
) -> None:
    """Judge the labels, and unless only that is asked for, learn; print one row. drawn, labels: in the order given."""
    _, example_set = rehearse(house.engine, house.shipped, lambda: setting.replay_data, LIMITS, Silent())
    fates = {example.id: example.set_aside for example in example_set.examples}
    given = sorted(house.labels.read(1_000_000), key=lambda each: each.labelled_at)
    base_reads = read_right(setting.base, drawn)
    disputed = [fates[each.id] == "disputed" for each in given]
    is_right = [label == picture.digit for label, picture in zip(labels, drawn, strict=True)]
    corrections = [right and not read for right, read in zip(is_right, base_reads, strict=True)]
    kept_back = sum(a and b for a, b in zip(disputed, corrections, strict=True))
    caught = sum(a and not b for a, b in zip(disputed, is_right, strict=True))
    row = f"  {title:30} {len(labels):6} {sum(corrections):11} {len(labels) - sum(disputed):8}  "
    row += f"{kept_back} of {sum(corrections)}, {caught} of {len(labels) - sum(is_right)}"
    if setting.only_judges:
        print(row, flush=True)
        return
    outcome = house.retrain()
    network, judged = house.active(), as_images(others)
    before, after = error(setting.base, judged), error(network, judged)
    mnist = [100 * (1 - error(each, setting.mnist_test)) for each in (setting.base, network)]
    row += f"  {100 * before:.1f} → {100 * after:.1f} % ({1 - after / before:.0%} gone)"
    print(f"{row}  {mnist[0]:.2f} → {mnist[1]:.2f}  {outcome.seconds:.0f}", flush=True)
    print(f"    {outcome.summary}", flush=True)
