import numpy as np
import pytest

from src.evaluation import scores


def test_log_softmax_by_hand():
    logits = np.array([[0.0, np.log(3)], [1000.0, 1000.0]])
    np.testing.assert_allclose(np.exp(scores.log_softmax(logits)), [[0.25, 0.75], [0.5, 0.5]])


def test_cross_entropy_by_hand():
    logits = np.array([[0.0, np.log(3)], [0.0, 0.0]])
    assert scores.cross_entropy(logits, np.array([1, 0])) == pytest.approx(-(np.log(0.75) + np.log(0.5)) / 2)


def test_accuracy_by_hand():
    actual, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])
    assert scores.accuracy(predicted, actual) == pytest.approx(0.6)


def test_calibration_error_by_hand():
    # Two bins: one image 0.4 sure and right, two 0.9 sure of which one is right.
    probabilities = np.array([[0.4, 0.3, 0.3], [0.9, 0.1, 0.0], [0.9, 0.1, 0.0]])
    assert scores.calibration_error(probabilities, np.array([0, 0, 1])) == pytest.approx(0.6 / 3 + 0.8 / 3)
    # Right as often as it is sure: none.
    sure = np.tile([0.75, 0.25], (8, 1))
    assert scores.calibration_error(sure, np.array([0] * 6 + [1] * 2)) == pytest.approx(0)
    assert scores.calibration_error(np.eye(3), np.arange(3)) == 0
