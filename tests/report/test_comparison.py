"""Counts are checked against loops in plain Python, images one by one."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from src.errors import InputError
from src.evaluation.predictions import Predictions
from src.report.comparison import Comparison, Outcome, compare
from src.report.run import Run
from tests.report.runs import make_run

CLASSES = ("cat", "dog", "ship")


def run(name: str, seed: int, count: int = 300) -> Run:
    """Of a model that is right about two of three images."""
    rng = np.random.default_rng(seed)
    actual = np.arange(count) % 3
    probabilities = rng.dirichlet([1, 1, 1], count)
    sure = rng.random(count) < 0.5
    probabilities[sure] = 0.1 * probabilities[sure] + 0.9 * np.eye(3)[actual[sure]]
    predictions = Predictions.from_probabilities(actual, probabilities, CLASSES)
    return make_run(name, predictions, params={"seed": seed, "model": "fast", f"only_{name}": 1})


@pytest.fixture
def comparison() -> Comparison:
    return compare(run("one", 1), run("other", 2))


def test_counts_against_plain_loops(comparison):
    one, other = comparison.a.predictions, comparison.b.predictions
    counts, by_class, flips = Counter(), Counter(), 0
    confusions = {"a": Counter(), "b": Counter()}
    for index in range(300):
        truth = CLASSES[index % 3]
        said = [CLASSES[max(range(3), key=lambda c: p.probabilities[index][c])] for p in (one, other)]
        flips += said[0] != said[1]
        for name, answer in zip("ab", said, strict=True):
            if answer != truth:
                confusions[name][truth, answer] += 1
        if said[0] == truth and said[1] == truth:
            kind = "right"
        elif said[1] == truth:
            kind = "fixed"
        elif said[0] == truth:
            kind = "broken"
        else:
            kind = "same" if said[0] == said[1] else "different"
        assert comparison.outcomes[index] == kind
        counts[kind] += 1
        by_class[truth, kind] += 1
    assert all(counts[kind] > 5 for kind in Outcome)  # or the test would say little
    assert {kind: comparison.count(kind) for kind in Outcome} == counts
    assert comparison.churn == flips / 300
    assert comparison.negative_flips == counts["broken"] / 300
    assert comparison.difference == pytest.approx((counts["fixed"] - counts["broken"]) / 300)
    for change in comparison.classes:
        assert change.images == 100
        assert (change.fixed, change.broken) == (
            by_class[change.name, "fixed"],
            by_class[change.name, "broken"],
        )
        assert change.right_a == by_class[change.name, "right"] + change.broken
        assert change.right_b == by_class[change.name, "right"] + change.fixed
    for confusion in comparison.confusions:
        key = (confusion.actual, confusion.predicted)
        assert (confusion.a, confusion.b) == (confusions["a"].pop(key, 0), confusions["b"].pop(key, 0))
        assert confusion.a != confusion.b
    assert confusions["a"] == confusions["b"]  # the others have not changed
    changes = [confusion.b - confusion.a for confusion in comparison.confusions]
    assert changes == sorted(changes)
    assert comparison.params == {"seed": (1, 2), "only_one": (1, None), "only_other": (None, 1)}


def test_a_run_compared_with_itself(comparison):
    same = compare(comparison.a, comparison.a)
    assert (same.churn, same.negative_flips, same.difference, same.interval) == (0, 0, 0, (0, 0))
    assert same.p_value == 1
    assert same.count(Outcome.SAME) == 300 - same.count(Outcome.RIGHT) > 0
    assert same.confusions == []
    assert same.params == {}


def test_the_other_way_around(comparison):
    back = compare(comparison.b, comparison.a)
    assert back.indices(Outcome.FIXED) == comparison.indices(Outcome.BROKEN)
    assert back.difference == -comparison.difference
    assert back.p_value == comparison.p_value


def test_runs_that_cannot_be_compared(comparison):
    other = replace(comparison.b, test_data=("others", "labels"), params={"dataset": "sample"})
    with pytest.raises(
        InputError, match=r"different test images: one on .* and other on sample \(300 images"
    ):
        compare(comparison.a, other)
    renamed = replace(comparison.b.predictions, classes=("cat", "dog", "boat"))
    line = "were trained on different classes: cat, dog, ship; and cat, dog, boat"
    with pytest.raises(InputError, match=line):
        compare(comparison.a, replace(comparison.b, predictions=renamed))


def test_classes_may_have_any_name(comparison):
    names = ("nan", "a,b", "")

    def renamed(run: Run) -> Run:
        return make_run(run.name, replace(run.predictions, classes=names))

    other = compare(renamed(comparison.a), renamed(comparison.b))
    translated = dict(zip(CLASSES, names, strict=True))
    expected = {(translated[c.actual], translated[c.predicted], c.a, c.b) for c in comparison.confusions}
    assert {(c.actual, c.predicted, c.a, c.b) for c in other.confusions} == expected
    assert [change.name for change in other.classes] == list(names)


def test_a_class_without_images(comparison):
    def with_unicorns(run: Run) -> Run:
        probabilities = np.column_stack([run.predictions.probabilities, np.zeros(300, np.float32)])
        classes = (*CLASSES, "unicorn")
        return make_run(
            run.name, Predictions.from_probabilities(run.predictions.actual, probabilities, classes)
        )

    other = compare(with_unicorns(comparison.a), with_unicorns(comparison.b))
    assert (other.classes[3].images, other.classes[3].right_a, other.classes[3].broken) == (0, 0, 0)
    assert other.classes[:3] == comparison.classes
    assert other.confusions == comparison.confusions
