"""A comparison as it is printed: each figure is one of the comparison's."""

import json
from dataclasses import replace

import numpy as np
import pytest

from src.evaluation.predictions import Predictions
from src.report import tables
from src.report.comparison import Comparison, Outcome, compare
from src.report.run import Run
from tests.report.runs import make_run

CLASSES = ("cat", "dog", "ship")


def run(name: str, seed: int) -> Run:
    """Of a model that is right about most of 300 images."""
    rng = np.random.default_rng(seed)
    actual = np.arange(300) % 3
    probabilities = 0.5 * rng.dirichlet([1, 1, 1], 300) + 0.5 * np.eye(3)[actual] * (
        rng.random((300, 1)) < 0.6
    )
    probabilities /= probabilities.sum(1, keepdims=True)
    predictions = Predictions.from_probabilities(actual, probabilities, CLASSES)
    return make_run(name, predictions, params={"seed": seed, f"only_{name}": 1, "augment.flip": seed == 1})


@pytest.fixture
def comparison() -> Comparison:
    return compare(run("one", 1), run("other", 2))


def test_json_is_complete_and_plain(comparison):
    content = json.loads(json.dumps(tables.as_dict(comparison)))
    assert content["counts"]["fixed"] == len(content["indices"]["fixed"]) == comparison.count(Outcome.FIXED)
    assert sum(content["counts"].values()) == content["images"] == 300
    low, high = content["difference"]["low"], content["difference"]["high"]
    assert low < content["difference"]["value"] < high
    assert content["params"]["only_one"] == {"a": 1, "b": None}


def test_tables_say_what_was_counted(comparison):
    text = tables.terminal(comparison)
    for kind in (Outcome.FIXED, Outcome.BROKEN, Outcome.SAME, Outcome.DIFFERENT):
        [line] = [line for line in text.splitlines() if line.startswith(tables.WORDS[kind])]
        assert line.split()[-2] == str(comparison.count(kind))
    assert f"{comparison.count(Outcome.FIXED)} fixed and {comparison.count(Outcome.BROKEN)} broken" in text
    assert "only_one" in text
    assert "(missing)" in text


def test_markdown_survives_names_that_mean_something_in_it(comparison):
    a = replace(comparison.a, name="a|b", params={"key": "<b>*x*</b>"})
    text = tables.as_markdown(tables.sections(compare(a, comparison.b)))
    assert r"a\|b" in text
    assert r"\<b\>\*x\*\</b\>" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 15
    assert all(line.count("|") - line.count(r"\|") in (4, 5, 8) for line in rows)


def test_the_terminal_shows_accuracies_and_their_difference(comparison):
    [line] = [line for line in tables.terminal(comparison).splitlines() if line.startswith("accuracy")]
    one, other, change = line.split()[1:]
    assert (one, other) == tuple(f"{accuracy:.2%}" for accuracy in comparison.accuracies)
    assert float(change) == pytest.approx(100 * comparison.difference, abs=0.005)
    assert change[0] in "+-"


def test_params_are_written_as_in_the_file(comparison):
    text = tables.terminal(comparison)
    [line] = [line for line in text.splitlines() if line.startswith("augment.flip")]
    assert line.split()[1:] == ["true", "false"]


def test_a_run_compared_with_itself_has_nothing_to_say(comparison):
    text = tables.terminal(compare(comparison.a, comparison.a))
    assert "Both get the same images right." in text
    assert "The parameters are the same." in text
    assert "Confusions that" not in text
    assert "+0.00" in text


def test_figures_that_an_older_run_lacks_are_left_out(comparison):
    older = replace(comparison.a, metrics={"accuracy": comparison.accuracies[0]})
    [line] = [
        li for li in tables.terminal(compare(older, comparison.b)).splitlines() if li.startswith("loss")
    ]
    assert line.split() == ["loss", "0.5000"]


def test_both_labelings_are_shown_where_labels_were_changed(comparison):
    actual = comparison.b.predictions.actual.copy()
    actual[:2] = (actual[:2] + 1) % 3
    made = compare(comparison.a, make_run("_b_", replace(comparison.b.predictions, actual=actual)))
    lines = tables.terminal(made).splitlines()
    assert lines[0] == "Test data"
    assert lines[2] == "Test labels changed: 2 images. Unless noted, all figures use the labels of _b_."
    for name, accuracies in (
        ("accuracy ", made.accuracies),
        ("with the labels of one ", comparison.accuracies),
    ):
        [line] = [line for line in lines if line.startswith(name)]
        assert line.removeprefix(name).split()[:2] == [f"{accuracy:.2%}" for accuracy in accuracies]
    assert r"the labels of \_b\_." in tables.as_markdown(tables.sections(made))
    content = json.loads(json.dumps(tables.as_dict(made)))
    assert (content["test_labels_changed"], content["test_images_removed"]) == (2, 0)
    before = tables.as_dict(comparison)
    assert content["by_labels_of_a"] == {key: before[key] for key in ("accuracy", "difference", "mcnemar_p")}
    assert before["by_labels_of_a"] is None


def test_removed_images_are_said(comparison):
    made = replace(comparison, images_removed=1)
    said = "Test images removed: 1 image. All figures cover the 300 images that both runs were tested on."
    assert said in tables.terminal(made)
    assert tables.as_dict(made)["test_images_removed"] == 1
    assert "Test data" not in tables.terminal(comparison)
