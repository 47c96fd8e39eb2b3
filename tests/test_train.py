"""The command that trains from scratch, in a small world."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import train
from mnist.model.weights_file import SHIPPED_WEIGHTS, read_weights
from mnist.training.datasets import Labelled, torchvision_datasets
from mnist.training.handwriting.strokes import digits, training_styles
from mnist.training.pendigits import ATTRIBUTION, MissingPendigits
from tests.training.test_fit import LITTLE, written


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs train.py in this process; returns (exit code, stdout, stderr)."""
    drawn = digits(600, seed=21, styles=training_styles())
    whole = Labelled(drawn.frames.repeat(10, 1, 1), drawn.labels.repeat(10))  # 5,000 are held back
    monkeypatch.setattr(train, "load_mnist", lambda folder, *, train: whole if train else drawn)
    monkeypatch.setattr(train, "load_pendigits", lambda folder, *, fetch: written())
    monkeypatch.setattr(train, "TrainingPlan", lambda: LITTLE)
    monkeypatch.setattr(train, "TRIAL", tmp_path / "data" / "trial.pt")
    monkeypatch.setattr(train, "SHIPPED_WEIGHTS", tmp_path / "weights" / "digits.pt")

    def command(*arguments: str) -> tuple[int, str, str]:
        code = train.main([*arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_it_writes_weights_and_a_report_and_ends_with_one_line(command, tmp_path):
    out = tmp_path / "new" / "mine.pt"

    code, said, progress = command("--epochs", "1", "--seed", "3", "--out", str(out), "--device", "cpu")

    network, calibration = read_weights(out)
    report = json.loads(out.with_suffix(".json").read_text())
    [line] = said.splitlines()
    assert code == 0
    assert network.widths == LITTLE.widths
    assert calibration.temperature > 0
    assert (report["epochs"], report["seed"], report["bytes"]) == (1, 3, out.stat().st_size)
    assert report["command"] == "python train.py --epochs 1 --seed 3"
    assert f"test {report['test_accuracy']:.2%}" in line
    assert str(out) in line
    assert "drawing: 100%" in progress
    assert "training: 100%" in progress


def test_a_trial_leaves_what_is_served_alone_and_the_whole_training_replaces_it(command):
    command("--epochs", "1")

    assert train.TRIAL.exists()
    assert not train.SHIPPED_WEIGHTS.exists()

    command()

    assert train.SHIPPED_WEIGHTS.exists()
    assert train.SHIPPED_WEIGHTS.with_suffix(".json").exists()


def test_the_shipped_weights_are_what_the_whole_training_writes():
    assert train.parse([]).out == SHIPPED_WEIGHTS
    assert train.parse(["--epochs", "40"]).out == SHIPPED_WEIGHTS
    assert train.parse(["--epochs", "23"]).out == Path(train.__file__).parent / "data" / "trial.pt"


def test_the_report_thanks_the_people_it_learned_from(command, tmp_path):
    out = tmp_path / "mine.pt"

    command("--epochs", "1", "--out", str(out))

    report = json.loads(out.with_suffix(".json").read_text())
    assert report["learned_from"]["people"] == f"strokes of 4 writers, drawn anew. {ATTRIBUTION}"
    assert "people" in report["validation"]


def test_without_pendigits_it_trains_says_so_and_the_report_does_too(command, tmp_path, monkeypatch):
    out = tmp_path / "mine.pt"
    monkeypatch.setattr(train, "load_pendigits", None)

    code, said, _ = command("--epochs", "1", "--without-pendigits", "--out", str(out))

    report = json.loads(out.with_suffix(".json").read_text())
    assert code == 0
    assert "--without-pendigits" in said.splitlines()[0]
    assert "--without-pendigits" in report["learned_from"]["people"]
    assert "--without-pendigits" in report["command"]
    assert "people" not in report["validation"]


def test_writers_left_out_are_reported_and_the_network_is_not_served(command):
    command("--leave-out-writers", "2", "3")

    report = json.loads(train.TRIAL.with_suffix(".json").read_text())
    assert not train.SHIPPED_WEIGHTS.exists()
    assert 0 <= report["validation"]["left_out_writers"]["accuracy"] <= 1
    assert report["learned_from"]["people"].startswith("strokes of 2 writers")
    assert "--leave-out-writers 2 3" in report["command"]


def test_without_people_s_strokes_and_a_network_it_says_so_before_it_draws(command, monkeypatch, tmp_path):
    def missing(folder, *, fetch):
        raise MissingPendigits(f"not in {folder}; --without-pendigits")

    monkeypatch.setattr(train, "load_pendigits", missing)
    monkeypatch.setenv("PENDIGITS_DIR", str(tmp_path / "nowhere"))

    code, _, error = command("--epochs", "1")

    assert code == 1
    assert "nowhere" in error
    assert "--without-pendigits" in error
    assert "drawing" not in error


def test_without_mnist_it_says_so_before_it_draws_anything(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MNIST_DIR", str(tmp_path))
    monkeypatch.setattr(torchvision_datasets().MNIST, "mirrors", [])  # no network

    code = train.main(["--epochs", "1"])

    said = capsys.readouterr()
    assert code == 1
    assert "MNIST_DIR" in said.err
    assert "drawing" not in said.err


def test_a_setting_that_can_not_be_is_told(monkeypatch, capsys):
    monkeypatch.setenv("MAX_UPLOAD_MB", "many")

    assert train.main(["--epochs", "1"]) == 1
    assert "MAX_UPLOAD_MB" in capsys.readouterr().err


def test_a_folder_that_can_not_be_written_is_told_before_it_trains(somebody_else, capsys):
    (somebody_else / "locked").mkdir(mode=0o500)

    assert train.main(["--epochs", "1", "--out", str(somebody_else / "locked" / "mine.pt")]) == 1
    said = capsys.readouterr().err
    assert "locked can't be written to" in said
    assert "drawing" not in said


@pytest.mark.parametrize(
    "arguments",
    [["--epochs", "0"], ["--epochs", "two"], ["--device", "tpu"], ["--out", "mine.json"], ["--out", "."]],
)
def test_wrong_arguments_are_told(arguments):
    with pytest.raises(SystemExit) as stopped:
        train.parse(arguments)
    assert stopped.value.code == 2
