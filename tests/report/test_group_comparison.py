"""Groups of seeds, compared: each figure counted again in another way."""

from dataclasses import replace

import numpy as np
import pytest

from src.errors import InputError
from src.evaluation.predictions import Predictions
from src.report.group_comparison import compare_groups
from src.report.groups import Group
from src.report.reliability import Reliability
from src.report.verdict import Verdict
from tests.report.runs import make_run

CLASSES = ("cat", "dog")
ACTUAL = np.array([0, 0, 1, 1])


def group(name: str, right: list[str], actual: np.ndarray = ACTUAL, **params) -> Group:
    """Of runs that are right where there is a 1, e.g. `1101`; `b` has other seeds than the rest."""
    runs = []
    seeds = range(5 * (name == "b"), len(right) + 5 * (name == "b"))
    for seed, row in zip(seeds, right, strict=True):
        answers = np.where(np.array(list(row)) == "1", ACTUAL, 1 - ACTUAL)
        predictions = Predictions.from_probabilities(actual, np.eye(2)[answers], CLASSES)
        runs.append(make_run(f"{name}-{seed}", predictions, params={"seed": seed, "lr": 1, **params}))
    return Group(name, tuple(runs), tuple(seeds))


def test_figures():
    comparison = compare_groups(
        group("a", ["1100", "1000", "0100"]), group("b", ["1110", "1110", "1011"], lr=2)
    )
    assert comparison.difference.value == pytest.approx((3 + 3 + 3) / 12 - (2 + 1 + 1) / 12)
    assert comparison.difference.images == comparison.images == 4
    assert comparison.verdict in Verdict
    assert comparison.changes.right_a.tolist() == [2, 2, 0, 0]
    assert comparison.changes.right_b.tolist() == [3, 2, 3, 1]
    assert comparison.changes.indices(Reliability.FIXED) == [2]
    values = {change.name: change.difference.value for change in comparison.classes}
    assert values == pytest.approx({"cat": 5 / 6 - 4 / 6, "dog": 4 / 6})
    assert comparison.params == {"lr": (1, 2)}  # not the seed
    assert (comparison.labels_changed, comparison.images_removed) == (0, 0)


def test_groups_of_different_sizes():
    comparison = compare_groups(group("a", ["1100"]), group("b", ["1110", "1110"]))
    assert comparison.verdict == Verdict.TOO_FEW
    assert comparison.difference.value == 0.25


def test_labels_that_corrections_changed_are_those_of_the_second():
    a = group("a", ["1111", "1111", "1110"])
    b = group("b", ["1111", "1111", "1110"], actual=np.array([1, 0, 1, 1]))
    comparison = compare_groups(a, b)
    assert comparison.labels_changed == 1
    assert comparison.changes.right_a.tolist() == comparison.changes.right_b.tolist() == [0, 3, 3, 2]
    assert [run.metrics["accuracy"] for run in comparison.a.runs] == [0.75, 0.75, 0.5]


def test_images_that_corrections_removed_are_left_out():
    images = np.random.default_rng(0).integers(0, 256, (4, 4, 4, 3), np.uint8)
    a, b = group("a", ["1111", "1101"]), group("b", ["1110", "1110"])
    a = replace(a, runs=tuple(replace(run, images=images) for run in a.runs))
    kept = np.array([0, 2, 3])
    b = replace(
        b,
        runs=tuple(
            make_run(
                run.name,
                Predictions.from_probabilities(ACTUAL[kept], run.predictions.probabilities[kept], CLASSES),
                images=images[kept],
                test_data=("fewer", "labels"),
                corrections={"removed": 1},
            )
            for run in b.runs
        ),
    )
    comparison = compare_groups(a, b)
    assert (comparison.images, comparison.images_removed) == (3, 1)
    assert comparison.changes.right_a.tolist() == [2, 1, 2]
    assert comparison.changes.right_b.tolist() == [2, 2, 0]


def test_what_cannot_be_compared():
    a, b = group("a", ["1100", "1000"]), group("b", ["1110", "1111"])
    with pytest.raises(InputError, match="a-1 is in both groups, a and b"):
        compare_groups(a, replace(b, runs=(b.runs[0], a.runs[1])))
    others = tuple(replace(run, test_data=("others", "labels")) for run in b.runs)
    with pytest.raises(
        InputError, match=r"evaluated on different test images: a-0 on None \(4 images\) and b-5"
    ):
        compare_groups(a, replace(b, runs=others))
    named = replace(b.runs[0], predictions=replace(b.runs[0].predictions, classes=("cat", "cow")))
    with pytest.raises(
        InputError, match="a-0 and b-5 were trained on different classes: cat, dog; and cat, cow"
    ):
        compare_groups(a, replace(b, runs=(named,)))
