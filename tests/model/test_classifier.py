from __future__ import annotations

import io
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mnist.model.calibration import Calibration
from mnist.model.classifier import Classifier, Prediction, freeze, too_wide
from mnist.model.network import DigitNetwork, as_input, parameter_count
from mnist.model.weights_file import SHIPPED_WEIGHTS, UnusableWeights, read_weights, write_weights
from mnist.training.handwriting.non_digits import held_out_kinds, non_digits
from mnist.training.handwriting.strokes import digits, held_out_styles, training_styles

PLAIN = Calibration(temperature=1.0, non_digit_threshold=0.0, unsure_threshold=0.8)


@pytest.fixture(scope="module")
def shipped() -> Classifier:
    return Classifier.load(SHIPPED_WEIGHTS, version=1)


def small_weights() -> bytes:
    torch.manual_seed(0)
    return write_weights(DigitNetwork((4, 6, 8)), PLAIN)


# --- the shipped network


def test_it_reads_digits_drawn_in_styles_it_was_never_trained_on(shipped):
    drawn = digits(1_000, seed=901, styles=held_out_styles())

    predictions = shipped.predict(drawn.frames.numpy())

    right = [prediction.digit == label for prediction, label in zip(predictions, drawn.labels.tolist(), strict=True)]
    assert np.mean(right) > 0.965
    assert np.mean([prediction.verdict == "not_a_digit" for prediction in predictions]) < 0.03


def test_it_refuses_what_is_no_digit_of_kinds_it_was_never_trained_on(shipped):
    drawn = non_digits(500, seed=902, kinds=held_out_kinds())

    verdicts = [prediction.verdict for prediction in shipped.predict(drawn.frames.numpy())]

    assert np.mean([verdict == "not_a_digit" for verdict in verdicts]) > 0.85


@pytest.mark.skipif("MNIST_DIR" not in os.environ, reason="MNIST_DIR is not set")
def test_it_reads_mnist_and_rarely_refuses_it(shipped):
    from mnist.training.datasets import load_mnist

    test = load_mnist(Path(os.environ["MNIST_DIR"]), train=False)
    predictions = [each for part in test.frames.split(1000) for each in shipped.predict(part.numpy())]

    right = [each.digit == label for each, label in zip(predictions, test.labels.tolist(), strict=True)]
    assert np.mean(right) >= 0.9955  # as answered; a network that reads people better may cost a tenth of a point
    assert np.mean([each.verdict == "not_a_digit" for each in predictions]) < 0.01


def test_the_shipped_file_is_small():
    network, _ = read_weights(SHIPPED_WEIGHTS)

    assert SHIPPED_WEIGHTS.stat().st_size < 2 * 2**20
    assert parameter_count(network) < 400_000


# --- predictions


def test_predictions_come_in_order_with_probabilities_that_sum_to_one(shipped):
    drawn = digits(20, seed=903, styles=training_styles()).frames.numpy()

    together = shipped.predict(drawn)

    assert len(together) == 20
    for frame, prediction in zip(drawn, together, strict=True):
        [alone] = shipped.predict(frame[None])
        assert sum(prediction.probabilities) == pytest.approx(1)
        assert alone.probabilities == pytest.approx(prediction.probabilities, abs=1e-4)
        assert prediction.model_version == 1


def test_no_frames_no_predictions(shipped):
    assert shipped.predict(np.zeros((0, 28, 28), np.uint8)) == []


@pytest.mark.parametrize("frames", [np.zeros((28, 28), np.uint8), np.zeros((1, 28, 28), np.float32)])
def test_frames_of_another_shape_or_type_are_refused(shipped, frames):
    with pytest.raises(ValueError, match="28"):
        shipped.predict(frames)


def make(probabilities: dict[int, float], verdict: str) -> Prediction:
    return Prediction(tuple(probabilities.get(digit, 0.0) for digit in range(10)), -5.0, verdict, 1)  # type: ignore[arg-type]


def test_digit_confidence_and_candidates():
    assert make({7: 0.98, 1: 0.02}, "digit").candidates == (7,)
    assert make({7: 0.60, 1: 0.38, 2: 0.02}, "unsure").candidates == (7, 1)
    assert make({7: 0.50, 1: 0.30, 2: 0.20}, "unsure").candidates == (7, 1, 2)
    assert make({7: 0.98, 1: 0.02}, "digit").digit == 7
    assert make({7: 0.98, 1: 0.02}, "digit").confidence == 0.98


def test_a_confidence_below_the_threshold_is_unsure_and_a_high_non_digit_score_is_refused():
    network = DigitNetwork((4, 6, 8))
    torch.nn.init.zeros_(network.layers.head.weight)
    blank_looking = np.zeros((1, 28, 28), np.uint8)

    def verdict(digit_logit: float, non_digit_logit: float) -> str:
        with torch.no_grad():
            network.layers.head.bias.fill_(-10)
            network.layers.head.bias[3] = digit_logit
            network.layers.head.bias[4] = 0
            network.layers.head.bias[10] = non_digit_logit
        return Classifier(network, PLAIN, 1).predict(blank_looking)[0].verdict

    assert verdict(5, -5) == "digit"
    assert verdict(0.5, -5) == "unsure"
    assert verdict(5, 6) == "not_a_digit"


def test_only_what_is_unsure_is_looked_at_again(monkeypatch):
    frames = np.random.default_rng(7).integers(0, 120, (40, 28, 28), dtype=np.uint8)
    network, _ = read_weights(small_weights())
    once = [
        answer.probabilities for answer in Classifier(network, replace(PLAIN, unsure_threshold=0.0), 1).predict(frames)
    ]
    limit = sorted(max(each) for each in once)[20]
    asked = []

    def tta_logits(network, seen, logits):
        asked.append(len(seen))
        return torch.eye(11)[torch.full((len(seen),), 3)] * 100

    monkeypatch.setattr("mnist.model.classifier.tta_logits", tta_logits)
    answers = Classifier(network, replace(PLAIN, unsure_threshold=limit), 1).predict(frames)

    was_unsure = [max(each) < limit for each in once]
    assert asked == [20]
    assert [answer.confidence > 0.999 and answer.digit == 3 for answer in answers] == was_unsure
    assert [answer.probabilities for answer, unsure in zip(answers, was_unsure, strict=True) if not unsure] == [
        each for each, unsure in zip(once, was_unsure, strict=True) if not unsure
    ]


def test_a_dash_is_refused_by_its_shape_and_a_stick_is_not():
    dash = np.zeros((28, 28), np.uint8)
    dash[13:16, 4:24] = 255

    assert too_wide(dash)
    assert not too_wide(dash.T)
    assert not too_wide(np.zeros((28, 28), np.uint8))


def test_freezing_folds_the_batch_norms_and_does_not_change_the_answer():
    network, _ = read_weights(SHIPPED_WEIGHTS)
    frames = as_input(digits(64, seed=904, styles=training_styles()).frames)

    frozen = freeze(network, torch.zeros(1, 1, 28, 28))

    with torch.inference_mode():
        assert torch.allclose(frozen(frames), network(frames), atol=1e-3)
    assert "batch_norm" not in str(frozen.graph)


def test_a_batch_norm_that_turns_signs_after_pooling_is_left_alone():
    network = DigitNetwork((4, 6, 8)).eval()
    with torch.no_grad():
        network.layers.stem[2].weight[0] = -1.0
    frames = torch.rand(8, 1, 28, 28)

    with torch.inference_mode():
        assert torch.allclose(freeze(network, torch.zeros(1, 1, 28, 28))(frames), network(frames), atol=1e-4)


# --- weights files


def test_weights_survive_writing_and_reading():
    network, calibration = read_weights(small_weights())

    assert calibration == PLAIN
    assert network.widths == (4, 6, 8)
    torch.manual_seed(0)
    assert torch.equal(network.layers.head.weight, DigitNetwork((4, 6, 8)).layers.head.weight)


def test_a_file_that_carries_code_is_not_executed(tmp_path):
    class Attack:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    buffer = io.BytesIO()
    torch.save({"format": 2, "state": Attack()}, buffer, pickle_module=pickle)

    with pytest.raises(UnusableWeights):
        read_weights(buffer.getvalue())
    assert not (tmp_path / "executed").exists()


def changed(**changes: object) -> bytes:
    content = torch.load(io.BytesIO(small_weights()), weights_only=True)
    content.update(changes)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not weights",
        small_weights()[:-200],
        b"0" * (3 * 2**20),
        changed(format=1),
        changed(widths=[4, 6, 9]),
        changed(widths=[10**9, 6, 8]),
        changed(widths=None),
        changed(calibration={}),
        changed(calibration={"temperature": float("nan"), "not_a_digit": 0.0, "unsure": 0.5}),
        changed(state={"layers.head.weight": torch.zeros(1)}),
    ],
    ids=["empty", "text", "cut off", "huge", "format", "widths", "monster", "none", "uncalibrated", "nan", "state"],
)
def test_unusable_weights_are_named(data):
    with pytest.raises(UnusableWeights):
        Classifier.load(data, version=1)


def test_a_network_larger_than_any_of_ours_is_refused_before_it_is_read():
    network = DigitNetwork((256, 256, 256))

    with pytest.raises(UnusableWeights, match="bytes"):
        read_weights(
            write_weights(network, Calibration(temperature=1.0, non_digit_threshold=5.0, unsure_threshold=0.8))
        )


def test_weights_that_are_not_finite_are_refused():
    content = torch.load(io.BytesIO(small_weights()), weights_only=True)
    content["state"]["layers.head.bias"][0] = float("nan")

    with pytest.raises(UnusableWeights, match="finite"):
        Classifier.load(changed(state=content["state"]), version=1)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        Classifier.load(tmp_path / "none.pt", version=1)
