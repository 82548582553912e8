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


# --- after corrections


def relabeled(run: Run, *indices: int) -> Run:
    """The run as it would have been read if these images had had the next label."""
    actual = run.predictions.actual.copy()
    actual[list(indices)] = (actual[list(indices)] + 1) % 3
    return make_run(
        run.name, replace(run.predictions, actual=actual), params=run.params, test_data=("images", "others")
    )


def figures(comparison: Comparison) -> tuple:
    """All that was counted, and what reports show of both runs."""
    runs = [comparison.a, comparison.b]
    return (
        comparison.outcomes.tolist(),
        comparison.accuracies,
        comparison.interval,
        comparison.p_value,
        comparison.classes,
        comparison.confusions,
        [run.metrics["accuracy_low"] for run in runs],
        [run.class_accuracy.to_dict("list") for run in runs],
        [run.confusions().tolist() for run in runs],
    )


def test_changed_labels_are_compared_both_ways(comparison):
    a, b = comparison.a, comparison.b
    made = compare(a, relabeled(b, 5, 6, 299))
    assert (made.labels_changed, made.images_removed) == (3, 0)
    by_b = compare(relabeled(a, 5, 6, 299), relabeled(b, 5, 6, 299))
    assert figures(made) == figures(by_b)
    assert figures(made.by_labels_of_a) == figures(comparison)
    assert figures(made) != figures(comparison)
    assert made.b.predictions.actual[5] != a.predictions.actual[5]


def test_equal_labels_are_compared_once(comparison):
    assert (comparison.labels_changed, comparison.images_removed, comparison.by_labels_of_a) == (0, 0, None)


def test_the_loss_by_other_labels_is_that_of_the_probabilities(comparison):
    made = compare(comparison.a, relabeled(comparison.b, 5))
    p = made.a.predictions
    expected = -np.log([p.probabilities[index, p.actual[index]] for index in range(300)]).mean()
    assert made.a.metrics["loss"] == pytest.approx(expected)
    assert made.b.metrics["loss"] == 0.5  # as it was measured


def test_label_issues_about_another_label_are_left_out(comparison):
    listed = comparison.a.label_issues["index"].tolist()
    assert len(listed) > 2
    made = compare(comparison.a, relabeled(comparison.b, listed[0]))
    assert made.a.label_issues["index"].tolist() == listed[1:]


IMAGES = np.random.default_rng(5).integers(0, 256, (300, 4, 4, 3), np.uint8)
IMAGES[9] = IMAGES[4]  # copies are told apart by their order


def seen(run: Run, removed: tuple[int, ...] = (), **changes) -> Run:
    """The run on those of IMAGES that were not removed."""
    kept = np.delete(np.arange(300), removed)
    before = run.predictions
    predictions = Predictions.from_probabilities(before.actual[kept], before.probabilities[kept], CLASSES)
    attributes = {
        "images": IMAGES[kept],
        "test_data": (f"without {removed}", "labels"),
        "corrections": {"relabeled": {}, "removed": len(removed)} if removed else {},
        "heatmaps": np.arange(300, dtype=np.uint16)[kept, None, None],
    }
    return make_run(run.name, predictions, **(attributes | changes))


@pytest.mark.parametrize("removed", [(0,), (5, 299), (9,), (4, 9)])
def test_removed_images_are_left_out_on_the_other_side(comparison, removed):
    a, b = seen(comparison.a), seen(comparison.b, removed)
    expected = figures(compare(seen(comparison.a, removed), b))
    forth, back = compare(a, b), compare(b, a)
    assert figures(forth) == expected
    assert (forth.labels_changed, forth.images_removed) == (0, len(removed))
    assert (back.images_removed, back.accuracies) == (len(removed), forth.accuracies[::-1])
    for made in (forth, back):
        np.testing.assert_array_equal(made.a.images, b.images)
        np.testing.assert_array_equal(made.a.heatmaps, made.b.heatmaps)
        assert len(made.a.predictions.files) == 300 - len(removed)


def test_positions_of_label_issues_follow_the_images(comparison):
    whole = seen(comparison.a)
    listed = whole.label_issues["index"].tolist()
    first, last = min(listed), max(listed)
    made = compare(whole, seen(comparison.b, (first,)))
    assert made.a.label_issues["index"].tolist() == [i - (i > first) for i in listed if i != first]
    assert last - 1 in made.a.label_issues["index"].tolist()


def test_removed_and_relabeled_at_once(comparison):
    a = seen(comparison.a)
    b = seen(comparison.b, (0, 1))
    labels = b.predictions.actual.copy()
    labels[10] = (labels[10] + 1) % 3
    b = make_run(b.name, replace(b.predictions, actual=labels), images=b.images, test_data=b.test_data)
    made = compare(a, replace(b, corrections={"relabeled": {"test": 1}, "removed": 2}))
    assert (made.labels_changed, made.images_removed) == (1, 2)
    assert made.by_labels_of_a.accuracies[0] == a.predictions.right[2:].mean()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"removed": (0,)}, {"removed": (1,)}),  # neither has all of the other's
        ({"removed": (0,)}, {"removed": (1, 2)}),
        ({}, {"removed": (3,), "corrections": {}}),  # not by corrections
        ({}, {"removed": (3, 4), "corrections": {"relabeled": {}, "removed": 1}}),  # not all of them
        ({}, {"removed": (3,), "images": 255 - IMAGES[:299]}),  # others
        ({"corrections": {"removed": 5}}, {"removed": (3,)}),
    ],
)
def test_other_test_images_stay_refused(comparison, one, other):
    a, b = seen(comparison.a, **one), seen(comparison.b, **other)
    for pair in ((a, b), (b, a)):
        with pytest.raises(InputError, match="evaluated on different test images: "):
            compare(*pair)


# --- any classes


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
