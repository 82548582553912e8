import math

import numpy as np
import pytest

from src.evaluation.mistakes import choose_mistakes, class_accuracy, confusion_matrix
from src.evaluation.predictions import Predictions

CLASSES = ("cat", "dog", "ship", "unicorn")


@pytest.fixture
def predictions() -> Predictions:
    """Three cats, a dog, two ships; no unicorn."""
    probabilities = np.array(
        [
            [0.7, 0.2, 0.1, 0],
            [0.6, 0.3, 0.1, 0],
            [0.1, 0.8, 0.1, 0],
            [0.0, 0.1, 0.9, 0],
            [0.2, 0.2, 0.6, 0],
            [0.6, 0.4, 0, 0],
        ]
    )
    return Predictions.from_probabilities(np.array([0, 1, 0, 2, 0, 2]), probabilities, CLASSES)


def test_mistakes_in_each_order(predictions):
    # Wrong are 1 (0.6 sure), 2 (0.8), 4 (0.6) and 5 (0.6).
    assert choose_mistakes(predictions, 10, "confident", 0).tolist() == [2, 1, 4, 5]
    assert choose_mistakes(predictions, 3, "index", 0).tolist() == [1, 2, 4]
    drawn = [choose_mistakes(predictions, 4, "random", seed).tolist() for seed in range(20)]
    assert all(sorted(order) == [1, 2, 4, 5] for order in drawn)
    assert len({tuple(order) for order in drawn}) > 5
    first, again = (choose_mistakes(predictions, 2, "random", 7).tolist() for _ in range(2))
    assert first == again


def test_no_mistakes():
    perfect = Predictions.from_probabilities(np.array([0, 1]), np.eye(4)[:2], CLASSES)
    assert choose_mistakes(perfect, 10, "confident", 0).tolist() == []


def test_the_confusion_matrix_has_the_pairs_that_occur():
    answers = {("cat", "cat"): 2, ("cat", "ship"): 3, ("dog", "cat"): 1, ("ship", "cat"): 1}
    pairs = [pair for pair, images in answers.items() for _ in range(images)][::-1]
    actual, predicted = (np.array([CLASSES.index(pair[side]) for pair in pairs]) for side in (0, 1))
    predictions = Predictions.from_probabilities(actual, np.eye(4)[predicted], CLASSES)
    rows = [[*pair, images] for pair, images in answers.items()]  # in the order of the classes
    assert confusion_matrix(predictions).to_numpy().tolist() == rows


def test_accuracy_of_each_class_by_hand(predictions):
    table = class_accuracy(predictions)
    assert table["class"].tolist() == list(CLASSES)
    assert table["images"].tolist() == [3, 1, 2, 0]
    assert table["right"].tolist() == [1, 0, 1, 0]
    assert table["accuracy"].tolist()[:3] == pytest.approx([1 / 3, 0, 1 / 2])
    # Wilson's interval for 1 of 2: center 1/2, half its width 1.96 × √(1/8 + 1.96²/16) / (1 + 1.96²/2).
    z = 1.959964
    half = z * math.sqrt(1 / 8 + z * z / 16) / (1 + z * z / 2)
    assert (table["low"][2], table["high"][2]) == pytest.approx((0.5 - half, 0.5 + half))


def test_nothing_is_said_about_a_class_without_images(predictions):
    assert class_accuracy(predictions).iloc[3][["accuracy", "low", "high"]].isna().all()
