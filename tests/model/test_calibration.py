from __future__ import annotations

import pytest
import torch

from mnist.model.calibration import Calibration, calibrate, non_digit_score
from mnist.training.evaluation import area_under_roc, calibration_error


def drawn_from(temperature: float, count: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose softmax at `temperature` is exactly the chance of each label."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(count, 11, generator=generator) * 4
    logits[:, 10] = -5
    labels = torch.multinomial(torch.softmax(logits[:, :10] / temperature, dim=1), 1, generator=generator).flatten()
    return logits, labels


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_the_temperature_is_found_and_makes_confidence_true(temperature):
    logits, labels = drawn_from(temperature)

    calibration = calibrate(logits, labels)

    assert calibration.temperature == pytest.approx(temperature, rel=0.08)
    assert calibration_error(calibration.probabilities(logits), labels) < 0.01


def test_overconfidence_shows_in_the_calibration_error():
    logits, labels = drawn_from(2.5)

    raw = Calibration(temperature=1.0, non_digit_threshold=0.0, unsure_threshold=0.5).probabilities(logits)

    assert calibration_error(raw, labels) > 0.1


def test_few_digits_lie_above_the_refusal_threshold():
    logits, labels = drawn_from(1.0)
    logits[:, 10] = torch.randn(len(logits), generator=torch.Generator().manual_seed(1))

    calibration = calibrate(logits, labels)

    assert 0 < (non_digit_score(logits) >= calibration.non_digit_threshold).double().mean().item() < 0.01


def test_one_drawing_is_read_as_many_are():
    calibration = Calibration(temperature=1.7, non_digit_threshold=0.0, unsure_threshold=0.5)
    logits = torch.randn(50, 11, generator=torch.Generator().manual_seed(3)) * 30

    rows = [calibration.read(row) for row in logits.tolist()]

    assert torch.allclose(torch.tensor([odds for odds, _ in rows]).double(), calibration.probabilities(logits))
    assert torch.allclose(torch.tensor([score for _, score in rows]), non_digit_score(logits), atol=1e-4)


def test_the_outlier_score_is_the_log_odds_of_the_eleventh_class():
    logits = torch.randn(5, 11, generator=torch.Generator().manual_seed(0))

    share = torch.softmax(logits, dim=1)[:, 10]

    assert torch.allclose(non_digit_score(logits), torch.log(share / (1 - share)), atol=1e-5)


def test_area_under_the_curve():
    low, high = torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])

    assert area_under_roc(low, high) == 1.0
    assert area_under_roc(high, low) == 0.0
    assert area_under_roc(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 3.0])) == 0.75
