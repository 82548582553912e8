"""The comment on a pull request: what it says, and that nothing makes it too long or breaks its tables."""

import re
from dataclasses import replace

import numpy as np
import pytest

from src.evaluation.predictions import Predictions
from src.report import pull_request
from src.report.comparison import Comparison, Outcome, compare
from src.report.group_comparison import compare_groups
from src.report.groups import Group
from src.report.pull_request import MARKER, MAX_LENGTH, Context, comment
from tests.report.runs import make_run
from tests.report.test_group_comparison import group

CONTEXT = Context("python -m src.compare 'a*' b --md", (["aaaaaaa"], ["bbbbbbb"]))
# Each means something in Markdown, in HTML or on GitHub.
ODD = ("a|b", "<img src=x>", "`code`", "*x*", "@everyone", "two\nlines", "</details>", "[link](to)")


def single(classes: int = 8, images: int = 400, names: tuple[str, ...] = ODD) -> Comparison:
    rng = np.random.default_rng(0)
    named = tuple(f"{names[number % len(names)]} {number}" for number in range(classes))
    runs = []
    for name in ("one", "two"):
        actual = np.arange(images) % classes
        probabilities = 0.5 * rng.dirichlet(np.ones(classes), images)
        guessed = np.where(rng.random(images) < 0.5, actual, rng.integers(0, classes, images))
        probabilities[np.arange(images), guessed] += 0.5
        files = [f"{named[label]}/{number}.png" for number, label in enumerate(actual)]
        predictions = Predictions.from_probabilities(actual, probabilities, named, files)
        runs.append(make_run(name, predictions, params={"seed": 3, "lr": name}))
    return compare(*runs)


def rows_of(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith("|-")
    ]


def test_groups():
    a = group("a|b", ["1100", "1101", "0101"])
    comparison = compare_groups(a, group("new", ["1010", "1010", "1010"], lr=2))
    text = comment(comparison, replace(CONTEXT, commits=(["c0", "c1", "c2"], ["d0", "d1", "d2"])))
    assert text.startswith(f"{MARKER}\n\n## a\\|b → new\n\n**No evidence of a difference: ")
    front, _, folded = text.partition("<details>")
    rows = rows_of(front)
    assert [row[0] for row in rows[:5]] == [
        "", "accuracy", "loss", "calibration error", "images reliably fixed, broken",
    ]  # fmt: skip
    assert rows[4][3].startswith("1, 2 (by chance ")
    assert ["test image 1", "cat", "dog", "3 of 3", "0 of 3"] in rows
    assert ["test image 3", "dog", "cat", "2 of 3", "0 of 3"] in rows
    assert ["lr", "1", "2"] in rows
    assert [r"a\|b", "0, 1, 2", "c0, c1, c2"] in rows
    assert ["new", "0, 1, 2", "d0, d1, d2"] in rows
    assert "<pre>python -m src.compare &#x27;a*&#x27; b --md</pre>" in front
    assert "### Classes" in folded
    assert text.endswith("</details>")


def test_two_single_runs():
    comparison = single()
    text = comment(comparison, CONTEXT)
    front = text.partition("<details>")[0]
    assert "\n\n**McNemar's test of " in front
    assert "run both versions with several seeds (\\`make seeds\\`)." in front
    broken = comparison.indices(Outcome.BROKEN)
    images = [row for row in rows_of(front) if row[-2:] == ["1 of 1", "0 of 1"]]
    assert len(images) == pull_request.MAX_IMAGES < len(broken)
    assert f"and {len(broken) - 5} more" in front
    assert ["one", "3", "aaaaaaa"] in rows_of(front)


def test_nothing_broken():
    run = single().a
    text = comment(compare(run, run), CONTEXT)
    assert "### Broken images\n\nNone." in text
    assert "The parameters are the same." in text


def test_what_the_gates_say():
    comparison = single()
    failed = comment(comparison, replace(CONTEXT, objections="--x 1%: worse\n5 broken", gates=True))
    assert "\n\n- :x: --x 1%: worse\n- :x: 5 broken\n\n" in failed
    assert ":white_check_mark:" in comment(comparison, replace(CONTEXT, gates=True))
    assert ":white_check_mark:" not in comment(comparison, CONTEXT)


def test_names_break_nothing():
    text = comment(single(), CONTEXT)
    assert text.count("<details>") == text.count("</details>") == 1
    assert not re.search(r"(?<!\\)<img|@everyone|(?<!\\)`code", text)
    widths = {len(row) for row in rows_of(text)}
    assert widths == {3, 4, 5, 7}


@pytest.mark.parametrize("long", ["n" * 3_000, "|" * 3_000])
def test_it_is_never_too_long(long):
    comparison = single(classes=1_000, images=2_000, names=(long[:300],))
    params = {f"{long}{number}": (long, None) for number in range(50)}
    comparison = replace(comparison, a=replace(comparison.a, name=long), params=params)
    text = comment(comparison, Context(long, ([long] * 50, [long]), long, True))
    assert 30_000 < len(text) < MAX_LENGTH + 1
    assert text.endswith("The rest is cut: the command above prints it without `--md`.\n\n</details>")


def test_groups_with_names_that_are_too_long():
    long = "x" * 70_000
    a, b = group(long, ["1100", "1101", "0101"]), group("b", ["1010", "1010", "1010"])
    assert isinstance(a, Group)
    assert len(comment(compare_groups(a, b), Context(long, ([long], [long])))) < 10_000
