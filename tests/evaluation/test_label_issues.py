import warnings

import numpy as np

from src.evaluation.label_issues import find_label_issues
from src.evaluation.predictions import Predictions

CLASSES = tuple("abcdefghij")


def predictions(probabilities: np.ndarray, labels: np.ndarray) -> Predictions:
    return Predictions.from_probabilities(labels, probabilities, CLASSES)


def planted() -> tuple[Predictions, np.ndarray]:
    """Of a model that is right nearly always, and usually less sure where it is wrong; 40 wrong labels."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, 2000)
    logits = rng.normal(0, 1, (2000, 10))
    logits[np.arange(2000), truth] += 6
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = truth.copy()
    wrong = rng.choice(2000, 40, replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 10, 40)) % 10
    return predictions(probabilities, labels), wrong


def test_planted_mistakes_are_found_and_little_else():
    made, wrong = planted()
    issues = find_label_issues(made)
    assert np.isin(wrong, issues["index"]).mean() > 0.8
    assert len(issues) < 60
    assert issues["index"].is_unique


def test_an_issue_is_named_with_its_label_and_what_the_model_suggests():
    made, _ = planted()
    for _, row in find_label_issues(made).iterrows():
        assert row["label"] == CLASSES[made.actual[row["index"]]]
        assert row["suggested"] == CLASSES[made.probabilities[row["index"]].argmax()]
        assert row["label"] != row["suggested"]
        assert row["score"] == made.probabilities[row["index"], made.actual[row["index"]]]


def test_the_least_probable_label_comes_first():
    scores = find_label_issues(planted()[0])["score"].tolist()
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


def test_a_model_that_is_always_right_doubts_nothing():
    labels = np.arange(50) % 10
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for count in (50, 1):  # of all classes, and of a single one
            issues = find_label_issues(predictions(np.eye(10)[labels][:count], labels[:count]))
            assert len(issues) == 0
            assert list(issues.columns) == ["index", "label", "suggested", "score"]
