"""The numbers of a page, against counts made by hand or in plain Python."""

import dataclasses
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from src.evaluation.predictions import Predictions
from src.report import summary
from src.report.comparison import Outcome, compare
from src.report.run import Run
from tests.report.runs import make_run

CLASSES = ("cat", "dog", "unicorn")


@pytest.fixture
def run() -> Run:
    """About three cats, one of them recognized, and two dogs, both recognized; no unicorn."""
    probabilities = np.array([[0.75, 0.25, 0], [0.25, 0.75, 0], [0, 0.5, 0.5], [0, 1, 0], [0.25, 0.75, 0]])
    predictions = Predictions.from_probabilities(np.array([0, 0, 0, 1, 1]), probabilities, CLASSES)
    issues = pd.DataFrame({"index": [2, 1], "label": "cat", "suggested": "dog", "score": [0.0, 0.25]})
    return make_run("one", predictions, label_issues=issues)


@pytest.fixture
def other() -> Run:
    """About the same images; right about the second cat, wrong about the first dog."""
    probabilities = np.array([[0.75, 0.25, 0], [0.5, 0.25, 0.25], [0, 0, 1], [0.5, 0.5, 0], [0, 1, 0]])
    predictions = Predictions.from_probabilities(np.array([0, 0, 0, 1, 1]), probabilities, CLASSES)
    return make_run("other", predictions)


def test_one_run_has_mistakes_and_two_have_outcomes(run, other):
    assert summary.outcomes_of_images([run], None).tolist() == ["right", *["mistake"] * 2, *["right"] * 2]
    outcomes = summary.outcomes_of_images([run, other], compare(run, other))
    assert outcomes.tolist() == [
        Outcome.RIGHT,
        Outcome.FIXED,
        Outcome.DIFFERENT,
        Outcome.BROKEN,
        Outcome.RIGHT,
    ]


def test_label_issues_of_each_run(run, other):
    issues = summary.label_issues([run, dataclasses.replace(other, label_issues=run.label_issues[:1])])
    assert issues.tolist() == [[False, True, True, False, False], [False, False, True, False, False]]


def test_the_headline_is_what_the_stages_wrote(run):
    metrics = run.metrics | {"accuracy_low": 0.1, "accuracy_high": 0.9, "confidence": 0.7, "loss": 0.25}
    figures = summary.headline(dataclasses.replace(run, metrics=metrics))
    assert (figures["right"], figures["images"], figures["accuracy"]) == (3, 5, 0.6)
    assert (figures["interval"], figures["confidence"], figures["loss"]) == ((0.1, 0.9), 0.7, 0.25)
    assert figures["calibration_error"] == run.metrics["calibration_error"]


def test_an_older_run_may_have_no_loss(run):
    metrics = {key: value for key, value in run.metrics.items() if key != "loss"}
    assert summary.headline(dataclasses.replace(run, metrics=metrics))["loss"] is None


def test_curves_have_a_row_an_epoch(run):
    rows = summary.curves(run)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[1] == {
        "epoch": 2,
        "lr": 0.1,
        "train_loss": 1.0,
        "train_accuracy": 0.75,
        "val_loss": 1.1,
        "val_accuracy": 0.7,
    }


def test_the_matrix_is_dense(run):
    assert run.confusions().tolist() == [[1, 2, 0], [0, 2, 0], [0, 0, 0]]


def test_classes_of_one_run_have_their_interval(run):
    cat, dog, unicorn = summary.classes([run])
    table = run.class_accuracy
    assert cat == {"images": 3, "right": [1], "line": [table["low"][0], table["high"][0]]}
    assert cat["line"][0] < 1 / 3 < cat["line"][1]
    assert (dog["images"], dog["right"]) == (2, [2])
    assert unicorn == {"images": 0, "right": [0], "line": None}


def test_classes_of_two_runs_have_a_line_from_one_accuracy_to_the_other(run, other):
    cat, dog, unicorn = summary.classes([run, other])
    assert cat == {"images": 3, "right": [1, 2], "line": [pytest.approx(1 / 3), pytest.approx(2 / 3)]}
    assert dog == {"images": 2, "right": [2, 1], "line": [1, 0.5]}
    assert unicorn["line"] is None


def many(seed: int = 0, images: int = 400, size: int = 4) -> Run:
    """About 400 images of five classes, most of them wrong."""
    rng = np.random.default_rng(seed)
    predictions = Predictions.from_probabilities(
        rng.integers(0, 5, images), rng.dirichlet([1] * 5, images), tuple("abcde")
    )
    return make_run(f"run {seed}", predictions, images=np.zeros((images, size, size, 3), np.uint8))


def test_the_most_frequent_confusions_come_first():
    run = many()
    predictions = run.predictions
    pairs = zip(predictions.actual.tolist(), predictions.predicted.tolist(), strict=True)
    counts = Counter(("abcde"[a], "abcde"[p]) for a, p in pairs if a != p)
    top = summary.top_confusions(run)
    assert len(top) == summary.TOP_CONFUSIONS < len(counts)
    assert [images for *_, images in top] == [images for _, images in counts.most_common(len(top))]
    assert all(counts[actual, predicted] == images for actual, predicted, images in top)


def test_all_mistakes_are_shown_if_there_is_room():
    run = many()
    outcomes = summary.outcomes_of_images([run], None)
    shown = summary.order_of_images([run], outcomes, [summary.MISTAKE])
    assert sorted(shown) == np.flatnonzero(~run.predictions.right).tolist()


def test_small_outcomes_are_shown_whole_and_the_others_get_equal_shares(monkeypatch):
    runs = [many(1), many(2)]
    outcomes = np.repeat(
        [Outcome.RIGHT, Outcome.FIXED, Outcome.BROKEN, Outcome.SAME, Outcome.DIFFERENT], [80, 200, 5, 100, 15]
    )
    names = [Outcome.FIXED, Outcome.BROKEN, Outcome.SAME, Outcome.DIFFERENT]
    monkeypatch.setattr(summary, "MAX_IMAGES", 100)
    shown = summary.order_of_images(runs, outcomes, names)
    assert Counter(outcomes[shown].tolist()) == {"fixed": 40, "broken": 5, "same": 40, "different": 15}
    assert len(set(shown)) == 100


def test_of_too_many_the_most_confident_mistakes_are_shown(monkeypatch):
    run = many()
    monkeypatch.setattr(summary, "MAX_IMAGES", 10)
    shown = summary.order_of_images([run], summary.outcomes_of_images([run], None), [summary.MISTAKE])
    wrong = np.flatnonzero(~run.predictions.right).tolist()
    best = sorted(wrong, key=lambda index: -run.predictions.confidence[index])[:10]
    assert shown == best


def test_the_gallery_knows_each_answer(run):
    issues = summary.label_issues([run])[0]
    indices = np.array([1, 4])
    listed = summary.listed_classes([run], indices)
    assert listed == [[0, 1, 2]] * 2
    answers = summary.gallery(run, issues, indices, listed)
    assert answers == {
        "predicted": [1, 1],
        "probabilities": [[2500, 7500, 0], [2500, 7500, 0]],
        "labelIssues": [1, 0],
    }


def test_of_many_classes_those_most_probable_and_the_label_are_listed(run, other, monkeypatch):
    monkeypatch.setattr(summary, "LISTED_CLASSES", 1)
    assert summary.listed_classes([run], np.arange(5)) == [[0], [0, 1], [0, 1], [1], [1]]
    assert summary.listed_classes([run, other], np.array([2, 3])) == [[0, 1, 2], [0, 1]]


def test_the_worst_classes_come_first():
    rows = [{"images": images, "right": right} for images, right in ((4, [3]), (0, [0]), (4, [1]), (8, [2]))]
    assert summary.worst_first(rows) == [2, 3, 0, 1]
    rows = [{"images": 4, "right": right} for right in ([3, 3], [0, 2], [4, 1])]
    assert summary.worst_first(rows) == [2, 1, 0]
