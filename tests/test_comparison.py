"""Counts are checked against loops in plain Python, images one by one."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from src import tables
from src.comparison import Comparison, Kind, compare
from src.errors import InputError
from src.experiments import Experiment
from src.predictions import Predictions

CLASSES = ("cat", "dog", "ship")


def experiment(name: str, seed: int, count: int = 300) -> Experiment:
    """One that is right about two of three images."""
    rng = np.random.default_rng(seed)
    actual = np.arange(count) % 3
    probabilities = rng.dirichlet([1, 1, 1], count)
    sure = rng.random(count) < 0.5
    probabilities[sure] = 0.1 * probabilities[sure] + 0.9 * np.eye(3)[actual[sure]]
    found = Predictions(actual, probabilities, CLASSES)
    right = float((found.predicted == actual).mean())
    return Experiment(
        name,
        {"seed": seed, "model": "fast", f"only_{name}": 1},
        ("images", "labels"),
        np.zeros((count, 4, 4, 3), np.uint8),
        found,
        [{"epoch": 1, "val_loss": 1.0}],
        {"accuracy": right, "loss": 0.5, "calibration_error": 0.02},
        None,
        "",
    )


@pytest.fixture
def found() -> Comparison:
    return compare(experiment("one", 1), experiment("other", 2))


def test_counts_against_plain_loops(found):
    one, other = found.a.predictions, found.b.predictions
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
        assert found.kinds[index] == kind
        counts[kind] += 1
        by_class[truth, kind] += 1
    assert all(counts[kind] > 5 for kind in Kind)  # or the test would say little
    assert {kind: found.count(kind) for kind in Kind} == counts
    assert found.churn == flips / 300
    assert found.negative_flips == counts["broken"] / 300
    assert found.difference == pytest.approx((counts["fixed"] - counts["broken"]) / 300)
    for change in found.classes:
        assert change.images == 100
        assert (change.fixed, change.broken) == (
            by_class[change.name, "fixed"],
            by_class[change.name, "broken"],
        )
        assert change.right_a == by_class[change.name, "right"] + change.broken
        assert change.right_b == by_class[change.name, "right"] + change.fixed
    for confusion in found.confusions:
        key = (confusion.actual, confusion.predicted)
        assert (confusion.a, confusion.b) == (confusions["a"].pop(key, 0), confusions["b"].pop(key, 0))
        assert confusion.a != confusion.b
    assert confusions["a"] == confusions["b"]  # the others have not changed
    changes = [confusion.b - confusion.a for confusion in found.confusions]
    assert changes == sorted(changes)
    assert found.params == {"seed": (1, 2), "only_one": (1, None), "only_other": (None, 1)}


def test_nothing_changes_between_an_experiment_and_itself(found):
    same = compare(found.a, found.a)
    assert (same.churn, same.negative_flips, same.difference, same.interval) == (0, 0, 0, (0, 0))
    assert same.p_value == 1
    assert same.count(Kind.SAME) == 300 - same.count(Kind.RIGHT) > 0
    assert same.confusions == []
    assert same.params == {}
    assert "Both are right about the same images." in tables.terminal(same)


def test_there_and_back_again(found):
    back = compare(found.b, found.a)
    assert back.indices(Kind.FIXED) == found.indices(Kind.BROKEN)
    assert back.difference == -found.difference
    assert back.p_value == found.p_value


def test_experiments_that_cannot_be_compared(found):
    other = replace(found.b, test_data=("others", "labels"), params={"dataset": "sample"})
    with pytest.raises(
        InputError, match=r"different test images: one on .* and other on sample \(300 images"
    ):
        compare(found.a, other)
    renamed = replace(found.b.predictions, classes=("cat", "dog", "boat"))
    with pytest.raises(InputError, match="know different classes: cat, dog, ship; and cat, dog, boat"):
        compare(found.a, replace(found.b, predictions=renamed))


def test_json_is_complete_and_plain(found):
    content = json.loads(json.dumps(tables.as_dict(found)))
    assert content["counts"]["fixed"] == len(content["indices"]["fixed"]) == found.count(Kind.FIXED)
    assert sum(content["counts"].values()) == content["images"] == 300
    low, high = content["difference"]["low"], content["difference"]["high"]
    assert low < content["difference"]["value"] < high
    assert content["params"]["only_one"] == {"a": 1, "b": None}


def test_tables_say_what_was_counted(found):
    text = tables.terminal(found)
    for kind in (Kind.FIXED, Kind.BROKEN, Kind.SAME, Kind.DIFFERENT):
        [line] = [line for line in text.splitlines() if line.startswith(tables.WORDS[kind])]
        assert line.split()[-2] == str(found.count(kind))
    assert f"{found.count(Kind.FIXED)} fixed and {found.count(Kind.BROKEN)} broken" in text
    assert "only_one" in text
    assert "(not there)" in text


def test_markdown_survives_names_that_mean_something_in_it(found):
    a = replace(found.a, name="a|b", params={"key": "<b>*x*</b>"})
    text = tables.markdown(compare(a, found.b))
    assert r"a\|b" in text
    assert r"\<b\>\*x\*\</b\>" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 15
    assert all(line.count("|") - line.count(r"\|") in (4, 5, 8) for line in rows)
