"""Groups of seeds as they are printed: each figure is one of the comparison's."""

import json
from statistics import stdev

import pytest

from src.report import group_tables
from src.report.group_comparison import GroupComparison, compare_groups
from src.report.reliability import CHANGES, Reliability
from src.report.verdict import Verdict
from tests.report.test_group_comparison import group


@pytest.fixture
def comparison() -> GroupComparison:
    return compare_groups(
        group("a|b", ["1100", "1000", "0100"]), group("new", ["1110", "1110", "1011"], lr=2)
    )


def row(text: str, name: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith(name)]
    return line.removeprefix(name).split()


def test_the_terminal(comparison):
    text = group_tables.terminal(comparison)
    spread = f"{100 * stdev([0.5, 0.25, 0.25]):.2f}"
    assert row(text, "accuracy") == ["33.33%", "±", spread, "75.00%", "±", "0.00", "+41.67"]
    assert row(text, "runs") == ["3", "3"]
    assert row(text, "1  ") == ["25.00%", "75.00%"]  # of seed 1
    by_chance = f"{comparison.changes.by_chance[Reliability.FIXED]:.0f}"
    assert row(text, "reliably fixed") == ["1", "25.00%", by_chance]
    assert row(text, "always right") == ["0", "0.00%"]
    assert row(text, "dog")[:4] == ["2", "0.0%", "66.7%", "+66.67"]
    assert row(text, "lr") == ["1", "2"]
    assert group_tables.sentence(comparison) in text
    assert "One more run of new would beat one more run of a|b with a probability of " in text


def test_json_is_complete_and_plain(comparison):
    content = json.loads(json.dumps(group_tables.as_dict(comparison), allow_nan=False))
    assert content["a"]["runs"] == ["a|b-0", "a|b-1", "a|b-2"]
    assert content["b"]["seeds"] == [0, 1, 2]
    assert content["a"]["accuracies"] == [0.5, 0.25, 0.25]
    assert content["verdict"] in list(Verdict)
    difference = content["difference"]
    assert difference["low"] < difference["value"] < difference["high"]
    assert sum(content["counts"].values()) == content["images"] == 4
    assert set(content["by_chance"]) == set(CHANGES)
    assert content["indices"]["reliably fixed"] == [2]
    assert [row["name"] for row in content["classes"]] == ["cat", "dog"]
    assert content["params"] == {"lr": {"a": 1, "b": 2}}


def test_one_seed_has_no_spread():
    few = compare_groups(group("one", ["1100"]), group("two", ["1110", "1110"]))
    text = group_tables.terminal(few)
    assert row(text, "accuracy") == ["50.00%", "75.00%", "±", "0.00", "+25.00"]
    assert "Too few seeds to tell" in text
    content = json.loads(json.dumps(group_tables.as_dict(few), allow_nan=False))
    assert (content["verdict"], content["difference"]["low"]) == (Verdict.TOO_FEW, None)
