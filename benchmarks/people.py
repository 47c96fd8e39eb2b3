"""What the product makes of pictures by people who have nothing to do with it, beside a plain recipe in the same run.

    REAL_DIR=../shared/real python -m benchmarks.people [--group raw --group check] [--misread] [--weights FILE]

REAL_DIR holds `pictures/labels.csv` (file, label, writer) and the folders that it names. Right, wrong: by an answer
that is sure; unsure: the reading is offered as a question; refused: not a digit, or blank; error: no picture to us.
The plain recipe is Otsu's threshold, inverted if the paper is light, the crop in 20 × 20, the centre of mass, and the
same network, whose verdict counts as everywhere.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch

from mnist.model.classifier import Classifier
from mnist.model.numbers import read
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.vision.image_files import BadImage, decode
from mnist.vision.ink import BlankDrawing, plain_ink
from mnist.vision.mnist_frame import frame_ink
from mnist.vision.prepare import frame

GROUPS = {
    "raw": "raw photos",
    "raw28": "photos at 28 × 28",
    "paper": "paper, cleaned",
    "cells32": "form cells, 32 × 32",
    "drawn": "drawn",
    "number": "whole numbers",
    "check": "cheque amounts",
    "nan": "letters and scribbles",
}
OUTCOMES = ("right", "wrong", "unsure", "refused", "error")
NOT_A_DIGIT = "not a digit"


@dataclass(frozen=True, slots=True)
class Picture:
    """One file, and what its maker wrote on it."""

    file: Path
    group: str
    label: str  # "7", "2026", "not a digit"
    writer: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said about a picture."""

    text: str  # the digits that were read, sure or not; empty when there are none
    verdict: str  # "sure", "unsure", "refused" or "error"


def pictures(real_dir: Path) -> list[Picture]:
    """Every labelled picture. Raises FileNotFoundError when the folder is not there."""
    with (real_dir / "pictures" / "labels.csv").open(newline="") as file:
        return [
            Picture(real_dir / "pictures" / row["file"], row["file"].split("/")[0], row["label"], row["writer"])
            for row in csv.DictReader(file)
        ]


def product(classifier: Classifier, data: bytes) -> Answer:
    """The whole way of an upload."""
    try:
        framed = frame(decode(data))
    except BlankDrawing:
        return Answer("", "refused")
    except BadImage:
        return Answer("", "error")
    reading = read(framed, classifier.predict(framed.frames))
    verdict = reading.prediction.verdict
    text = reading.number or str(reading.prediction.digit)
    if verdict == "unsure":
        return Answer(text, "unsure")
    return Answer(text, "sure") if verdict in ("digit", "number") else Answer("", "refused")


def plain(classifier: Classifier, data: bytes) -> Answer:
    """Otsu, invert if light, crop, 20 × 20, centre of mass, the same network."""
    try:
        prediction = classifier.predict(frame_ink(plain_ink(decode(data))).frame[None])[0]
    except BlankDrawing:
        return Answer("", "refused")
    except BadImage:
        return Answer("", "error")
    said = {"digit": "sure", "unsure": "unsure"}.get(prediction.verdict, "refused")
    return Answer(str(prediction.digit), said)


def outcome(answer: Answer, label: str) -> str:
    """One of OUTCOMES. A picture that holds no digit is right when it is refused."""
    if label == NOT_A_DIGIT:
        return {"refused": "right", "sure": "wrong"}.get(answer.verdict, answer.verdict)
    if answer.verdict == "sure":
        return "right" if answer.text == label else "wrong"
    return answer.verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", action="append", choices=GROUPS, help="only these; may be repeated")
    parser.add_argument("--misread", action="store_true", help="list every file that is not right and sure")
    parser.add_argument("--weights", type=Path, default=SHIPPED_WEIGHTS)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    classifier = Classifier.load(options.weights, version=1)
    ours: dict[str, Counter[str]] = defaultdict(Counter)
    theirs: dict[str, Counter[str]] = defaultdict(Counter)
    told: list[str] = []
    began = time.perf_counter()
    seen = [each for each in pictures(Path(os.environ["REAL_DIR"])) if each.group in (options.group or GROUPS)]
    for picture in seen:
        data = picture.file.read_bytes()
        answer = product(classifier, data)
        what = outcome(answer, picture.label)
        ours[picture.group][what] += 1
        theirs[picture.group][outcome(plain(classifier, data), picture.label)] += 1
        if what == "wrong" or (what != "right" and options.misread):
            name = f"{picture.group}/{picture.file.name}"
            told.append(f"{name}: {what}, {picture.label} read as {answer.text or 'nothing'}")
    print(f"| | n | {' | '.join(OUTCOMES)} | plain: {' | '.join(OUTCOMES)} |")
    print(f"| --- |{' ---: |' * (1 + 2 * len(OUTCOMES))}")
    for group in (each for each in GROUPS if ours[each]):
        columns = [ours[group].total()]
        columns += [came[group][each] for came in (ours, theirs) for each in OUTCOMES]
        print(f"| {GROUPS[group]} | {' | '.join(map(str, columns))} |")
    print(f"{len(seen)} pictures, {(time.perf_counter() - began) / max(len(seen), 1) * 1000:.0f} ms each, both ways")
    print("\n".join(told))


if __name__ == "__main__":
    main()
