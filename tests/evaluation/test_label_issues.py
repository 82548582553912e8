import time
import warnings

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues as find_by_confident_learning

from src.evaluation.calibration import calibrated, temperature
from src.evaluation.label_issues import estimated_errors, find_label_issues, label_quality
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
    assert np.isin(wrong, issues["index"]).mean() > 0.7
    assert np.isin(issues["index"], wrong).all()
    assert issues["index"].is_unique


def test_the_list_is_as_long_as_cleanlab_estimates():
    made, _ = planted()
    assert len(find_label_issues(made)) == estimated_errors(made)
    assert (
        estimated_errors(made)
        == find_by_confident_learning(
            made.actual, made.probabilities, filter_by="confident_learning", n_jobs=1
        ).sum()
    )


def test_an_issue_is_named_with_its_label_and_what_the_model_suggests():
    made, _ = planted()
    for _, row in find_label_issues(made).iterrows():
        assert row["label"] == CLASSES[made.actual[row["index"]]]
        assert row["suggested"] == CLASSES[made.probabilities[row["index"]].argmax()]
        assert row["label"] != row["suggested"]


def test_the_score_is_the_calibrated_probability_of_the_label():
    made, _ = planted()
    probabilities = calibrated(made.probabilities, temperature(made.probabilities, made.actual))
    of_label = probabilities[np.arange(2000), made.actual]
    np.testing.assert_allclose(label_quality(made), of_label)
    issues = find_label_issues(made)
    np.testing.assert_allclose(issues["score"], of_label[issues["index"]])


def test_the_least_probable_label_comes_first():
    scores = find_label_issues(planted()[0])["score"].tolist()
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


def test_how_sure_a_model_is_in_general_decides_nothing():
    # The same answers from a model that is three times as sure, and from one that is a third as sure.
    made, _ = planted()
    ranked = [
        find_label_issues(predictions(calibrated(made.probabilities, at), made.actual))["index"].tolist()
        for at in (1 / 3, 1, 3)
    ]
    few = min(map(len, ranked))
    assert few > 20
    assert ranked[0][:few] == ranked[1][:few] == ranked[2][:few]


def test_a_model_that_is_always_right_doubts_nothing():
    labels = np.arange(50) % 10
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for count in (50, 1):  # of all classes, and of a single one
            issues = find_label_issues(predictions(np.eye(10)[labels][:count], labels[:count]))
            assert len(issues) == 0
            assert list(issues.columns) == ["index", "label", "suggested", "score"]


def test_classes_without_test_images_are_no_obstacle():
    labels = np.array([0, 3] * 10)
    probabilities = 0.9 * np.eye(10)[labels] + 0.01
    probabilities[4] = 0.9 * np.eye(10)[3] + 0.01
    assert find_label_issues(predictions(probabilities, labels))["index"].tolist() == [4]


# --- the same picture under another name


def test_equal_pictures_with_different_labels():
    labels = np.array([0, 1, 2, 3, 4])
    made = Predictions.from_probabilities(
        labels, np.eye(10)[labels], CLASSES, [f"{number}.png" for number in labels]
    )
    rows = [
        (1, "0.png", "a", "test", True),
        (1, "x.png", "b", "train", True),
        (1, "y.png", "c", "train", True),
        (1, "z.png", "c", "train", True),
        (2, "1.png", "b", "test", False),  # only similar: may well be of two classes
        (2, "u.png", "c", "train", False),
        (3, "2.png", "d", "test", True),
        (3, "w.png", "left out", "train", True),  # by images.classes
        (4, "s.png", "e", "train", True),  # not tested
        (4, "t.png", "f", "train", True),
    ]
    table = pd.DataFrame(rows, columns=["cluster", "file", "class", "part", "label_conflict"])
    issues = find_label_issues(made, table)
    assert issues.to_dict("records") == [{"index": 0, "label": "a", "suggested": "c", "score": 1.0}]


def test_what_the_model_doubts_is_listed_once_and_facts_come_first():
    made, _ = planted()
    names = [f"{number}.png" for number in range(2000)]
    made = Predictions.from_probabilities(made.actual, made.probabilities, CLASSES, names)
    before = find_label_issues(made)["index"].tolist()
    doubted = before[-1]
    trusted = int(np.flatnonzero(made.right)[0])
    rows = []
    for cluster, image in enumerate((trusted, doubted), 1):
        label = CLASSES[made.actual[image]]
        other = next(name for name in CLASSES if name not in (label, CLASSES[made.predicted[image]]))
        rows += [(cluster, names[image], label, "test"), (cluster, "again.png", other, "train")]
    table = pd.DataFrame(rows, columns=["cluster", "file", "class", "part"]).assign(label_conflict=True)
    issues = find_label_issues(made, table)
    assert issues["index"].tolist() == [doubted, trusted, *before[:-1]]
    for (_, row), (*_, name, _) in zip(issues.iterrows(), (rows[3], rows[1]), strict=False):
        assert row["suggested"] == name  # a fact, not a guess


def test_training_images_are_looked_up_among_those_trained_on():
    labels = np.array([0, 1])
    made = Predictions.from_probabilities(labels, np.eye(10)[labels], CLASSES, ["a.png", "b.png"])
    rows = [("a.png", "a", "train"), ("b.png", "b", "train"), ("c.png", "c", "test")]
    table = pd.DataFrame(rows, columns=["file", "class", "part"]).assign(cluster=1, label_conflict=True)
    assert find_label_issues(made, table)["index"].tolist() == []
    assert find_label_issues(made, table, "train")["index"].tolist() == [0, 1]


def test_ten_thousand_images_take_no_time():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 10_000)
    logits = rng.normal(0, 1, (10_000, 10)) + 5 * np.eye(10)[labels]
    made = predictions(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), labels)
    started = time.perf_counter()
    find_label_issues(made)
    assert time.perf_counter() - started < 1.5
