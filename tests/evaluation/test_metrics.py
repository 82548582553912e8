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


def test_means_over_the_classes_that_have_images(predictions):
    metrics = measure(predictions)
    assert metrics["balanced_accuracy"] == (1 + 0.5) / 2
    # Cats: all found, among three answers. Dogs: the one answer is right, one of two is found.
    assert metrics["macro_f1"] == pytest.approx((2 * 2 / 3 / (1 + 2 / 3) + 2 * 0.5 / 1.5) / 2)
    assert metrics["support"] == {"cat": 2, "dog": 2, "unicorn": 0}
    assert "top5_accuracy" not in metrics


def test_an_answer_that_is_nobodys_label_counts_as_wrong():
    probabilities = np.array([[0, 0, 1], [0, 1, 0]])
    made = Predictions.from_probabilities(np.array([0, 1]), probabilities, CLASSES)
    metrics = measure(made)
    assert (metrics["balanced_accuracy"], metrics["macro_f1"]) == (0.5, 0.5)


def test_top_five_of_many_classes():
    classes = tuple(f"class {number}" for number in range(11))
    probabilities = np.tile(np.arange(11)[::-1] / 55, (11, 1))  # the first five are the answers, always
    metrics = measure(Predictions.from_probabilities(np.arange(11), probabilities, classes))
    assert metrics["top5_accuracy"] == pytest.approx(5 / 11)
    alike = measure(Predictions.from_probabilities(np.arange(3), probabilities[:3], classes))
    assert alike["top5_accuracy"] == 1  # eight classes have no image


def test_right_answers_that_count_as_unsure(predictions):
    # Right are 0.75, 0.75 and 1; of the wrong one, 0.5, nothing is said.
    for threshold, rate in ((0.1, 0), (0.75, 0), (0.8, 2 / 3), (1, 2 / 3)):
        assert measure(predictions, threshold)["false_rejection_rate"] == pytest.approx(rate)
    assert measure(predictions)["false_rejection_rate"] is None
    wrong = Predictions.from_probabilities(np.array([1]), np.array([[1, 0, 0]]), CLASSES)
    assert measure(wrong, 0.5)["false_rejection_rate"] is None


def test_all_figures_are_plain_json(predictions):
    text = json.dumps(measure(predictions), allow_nan=False)
    assert json.loads(text) == measure(predictions)


def test_the_mean_confidence_of_many_is_exact():
    # Summed up in float32, ten million times 0.1 would be far off; here a hundred thousand will do.
    probabilities = np.tile(np.array([[0.7, 0.3, 0]], np.float32), (100_000, 1))
    many = Predictions.from_probabilities(np.zeros(100_000, np.int64), probabilities, CLASSES)
    assert measure(many)["confidence"] == pytest.approx(float(np.float32(0.7)), abs=1e-9)
