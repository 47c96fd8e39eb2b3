"""How a network reads people it may not have learned from: the writers of UCI's pen-based digits, one by one.

`python -m benchmarks.writers [--weights FILE] [--writers N …]`. The network that ships learned from all 30 writers, so
for people it never met measure a trial's weights on those who were left out:
`python train.py --seed 1 --leave-out-writers 2 7 12 17 22 27`, then `--weights data/trial.pt` and the same `--writers`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import torch

from mnist.model.classifier import Classifier, Prediction
from mnist.model.weights_file import SHIPPED_WEIGHTS
from mnist.settings import Settings
from mnist.training.evaluation import calibration_error
from mnist.training.pendigits import ATTRIBUTION, Writing, as_written, load_pendigits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=SHIPPED_WEIGHTS)
    parser.add_argument("--writers", type=int, nargs="+", default=list(range(1, 31)))
    options = parser.parse_args()
    everybody = load_pendigits(Settings.from_environment().pendigits_dir)
    writings = [writing for writing in everybody if writing.writer in options.writers]
    classifier = Classifier.load(options.weights, version=1)
    answers = classifier.predict(as_written(writings).frames.numpy())
    print(f"{ATTRIBUTION}\n{options.weights}, as the application answers (a second look where it is unsure)")
    for writer in options.writers:
        chosen = [pair for pair in zip(writings, answers, strict=True) if pair[0].writer == writer]
        print(f"  writer {writer:2}: {summary(chosen)}")
    print(f"all {len(options.writers)} writers: {summary(list(zip(writings, answers, strict=True)))}")
    confusions = Counter(
        f"{writing.digit} as {answer.digit}"
        for writing, answer in zip(writings, answers, strict=True)
        if writing.digit != answer.digit
    )
    print("misread: " + ", ".join(f"{name} ({count})" for name, count in confusions.most_common(12)))


def summary(pairs: list[tuple[Writing, Prediction]]) -> str:
    """Accuracy, verdicts and calibration of some answers, in one line."""
    labels = torch.tensor([writing.digit for writing, _ in pairs])
    probabilities = torch.tensor([answer.probabilities for _, answer in pairs], dtype=torch.float64)
    wrong = sum(writing.digit != answer.digit for writing, answer in pairs)
    verdicts = Counter(answer.verdict for _, answer in pairs)
    return (
        f"{1 - wrong / len(pairs):.2%} of {len(pairs)} read right ({wrong} wrong), "
        f"{verdicts['not_a_digit'] / len(pairs):.2%} refused, {verdicts['unsure'] / len(pairs):.2%} unsure, "
        f"ECE {calibration_error(probabilities, labels):.2%}"
    )


if __name__ == "__main__":
    main()
