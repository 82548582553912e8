import numpy as np
import pytest

from src.evaluation.calibration import RANGE, calibrated, temperature
from src.evaluation.scores import calibration_error

LABELS = np.random.default_rng(0).integers(0, 10, 5000)


def answers(sharpness: float) -> np.ndarray:
    """Probabilities of a model whose logits are true ones times `sharpness`."""
    rng = np.random.default_rng(1)
    # Of normal logits that are 1.5 higher for the label, the true odds are exp(1.5 · logit).
    logits = rng.normal(0, 1, (len(LABELS), 10))
    logits[np.arange(len(LABELS)), LABELS] += 1.5
    powers = np.exp(1.5 * sharpness * logits)
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("sharpness", [0.25, 1, 3])
def test_the_temperature_undoes_what_made_a_model_too_sure_or_not_sure_enough(sharpness):
    probabilities = answers(sharpness)
    found = temperature(probabilities, LABELS)
    assert found == pytest.approx(sharpness, rel=0.05)
    assert calibration_error(calibrated(probabilities, found), LABELS) < 0.02
    np.testing.assert_allclose(calibrated(probabilities, sharpness), answers(1), rtol=1e-9)


def test_it_minimizes_the_cross_entropy():
    probabilities = answers(2)

    def loss(at: float) -> float:
        return -np.log(calibrated(probabilities, at)[np.arange(len(LABELS)), LABELS]).mean()

    best = temperature(probabilities, LABELS)
    assert loss(best) < min(loss(0.99 * best), loss(1.01 * best))


def test_at_another_temperature_the_order_stays_and_the_sum_is_one():
    probabilities = answers(1)
    for at in (0.3, 1.0, 4.0):
        other = calibrated(probabilities, at)
        np.testing.assert_array_equal(other.argsort(1), probabilities.argsort(1))
        np.testing.assert_allclose(other.sum(1), 1)
    np.testing.assert_allclose(calibrated(probabilities, 1.0), probabilities)


def test_probabilities_of_zero_and_one():
    labels = np.arange(20) % 10
    sure = np.eye(10, dtype=np.float32)[labels]
    assert RANGE[0] <= temperature(sure, labels) <= RANGE[1]
    np.testing.assert_array_equal(calibrated(sure, RANGE[0]), sure)
    wrong = temperature(sure, (labels + 1) % 10)  # as sure as one can be, and never right
    assert wrong == pytest.approx(RANGE[1], rel=0.01)
    assert np.isfinite(calibrated(sure, wrong)).all()
