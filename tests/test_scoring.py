import numpy as np
import pytest

from src import scoring


def test_log_softmax_by_hand():
    logits = np.array([[0.0, np.log(3)], [1000.0, 1000.0]])
    np.testing.assert_allclose(np.exp(scoring.log_softmax(logits)), [[0.25, 0.75], [0.5, 0.5]])


def test_cross_entropy_by_hand():
    logits = np.array([[0.0, np.log(3)], [0.0, 0.0]])
    assert scoring.cross_entropy(logits, np.array([1, 0])) == pytest.approx(-(np.log(0.75) + np.log(0.5)) / 2)


def test_accuracies_by_hand():
    actual, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])
    assert scoring.accuracy(predicted, actual) == pytest.approx(0.6)
    found = scoring.class_accuracy(predicted, actual, 3)
    assert found[:2] == pytest.approx([2 / 3, 1 / 2])
    assert np.isnan(found[2])
