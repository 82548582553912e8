import warnings

import numpy as np

from src.label_doubts import doubtful_labels


def test_planted_mistakes_are_found_and_little_else():
    # A model that is right nearly always, and usually less sure where it is wrong.
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, 2000)
    logits = rng.normal(0, 1, (2000, 10))
    logits[np.arange(2000), truth] += 6
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = truth.copy()
    planted = rng.choice(2000, 40, replace=False)
    labels[planted] = (labels[planted] + rng.integers(1, 10, 40)) % 10
    doubted = doubtful_labels(probabilities, labels)
    assert doubted[planted].mean() > 0.8
    assert doubted.sum() < 60
    assert (probabilities.argmax(1) != labels)[doubted].all()


def test_a_model_that_is_always_right_doubts_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not doubtful_labels(np.eye(10)[np.arange(50) % 10], np.arange(50) % 10).any()
        assert not doubtful_labels(np.eye(10)[:1], np.array([0])).any()
