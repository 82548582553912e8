import json

import numpy as np
import pytest

from src.evaluation.metrics import measure
from src.evaluation.predictions import Predictions

CLASSES = ("cat", "dog", "unicorn")


@pytest.fixture
def predictions() -> Predictions:
    """Three of four are right: two cats, one of two dogs."""
    probabilities = np.array([[0.75, 0.25, 0], [0.75, 0.25, 0], [0.5, 0.25, 0.25], [0, 1, 0]])
    return Predictions.from_probabilities(np.array([0, 0, 1, 1]), probabilities, CLASSES)


def test_figures_by_hand(predictions):
    metrics = measure(predictions)
    assert metrics["accuracy"] == 0.75
    assert metrics["confidence"] == (0.75 + 0.75 + 0.5 + 1) / 4
    # Sure and right by bins: 0.75 and 1 twice, 0.5 and 0, 1 and 1.
    assert metrics["calibration_error"] == pytest.approx((2 * 0.25 + 0.5) / 4)
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, gives the formula.
    assert metrics["accuracy_low"] == pytest.approx(0.3006, abs=1e-4)
    assert metrics["accuracy_high"] == pytest.approx(0.9544, abs=1e-4)


def test_a_class_without_images_has_no_accuracy(predictions):
    assert measure(predictions)["per_class"] == {"cat": 1.0, "dog": 0.5, "unicorn": None}


def test_all_figures_are_plain_json(predictions):
    text = json.dumps(measure(predictions), allow_nan=False)
    assert json.loads(text) == measure(predictions)


def test_the_mean_confidence_of_many_is_exact():
    # Summed up in float32, ten million times 0.1 would be far off; here a hundred thousand will do.
    probabilities = np.tile(np.array([[0.7, 0.3, 0]], np.float32), (100_000, 1))
    many = Predictions.from_probabilities(np.zeros(100_000, np.int64), probabilities, CLASSES)
    assert measure(many)["confidence"] == pytest.approx(float(np.float32(0.7)), abs=1e-9)
