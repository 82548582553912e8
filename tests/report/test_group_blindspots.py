"""Blind spots in groups of seeds: in how many runs of each side they are.

The spot has the images 0 to 39 of 1,000, of which 0 to 19 confirmed it.
"""

import pytest

from src.report import group_tables
from src.report.blindspots import Fate
from src.report.group_comparison import compare_groups
from src.report.groups import Group
from tests.report.spots import Given, run

SPOT = Given(range(40), range(20))
ELSEWHERE = range(500, 548)
BLIND, FINE = (*range(18), *range(20, 36), *ELSEWHERE), ELSEWHERE


def group(name: str, blind: str, spots=(SPOT,)) -> Group:
    """Of runs that have the spot where there is a 1; every one that has it has found it."""
    runs = []
    for seed, there in enumerate(blind):
        found = spots if there == "1" or spots is None else ()
        wrong = BLIND if there == "1" else FINE
        runs.append(run(f"{name}-{seed}", wrong, found, params={"seed": seed, "side": name}))
    return Group(name, tuple(runs), tuple(range(len(runs))))


@pytest.mark.parametrize(
    ("before", "after", "side", "verdict", "reason"),
    [
        ("111", "000", "a", Fate.HEALED, "raised in 3 of 3 runs of A and 0 of 3 runs of B"),
        ("110", "001", "a", Fate.HEALED, "raised in 2 of 3 runs of A and 1 of 3 runs of B"),
        ("111", "110", "a", Fate.UNCHANGED, "raised in 3 of 3 runs of A and 2 of 3 runs of B"),
        ("11", "01", "a", Fate.UNCHANGED, "raised in 2 of 2 runs of A and 1 of 2 runs of B"),
        ("000", "111", "b", Fate.NEW, "raised in 0 of 3 runs of A and 3 of 3 runs of B"),
        ("001", "110", "b", Fate.NEW, "raised in 1 of 3 runs of A and 2 of 3 runs of B"),
        ("01", "11", "a", Fate.UNCHANGED, "raised in 1 of 2 runs of A and 2 of 2 runs of B"),
    ],
)
def test_verdicts(before, after, side, verdict, reason):
    spots = compare_groups(group("one", before), group("two", after)).blindspots.spots
    assert [(spot.side, spot.spot, spot.verdict, spot.reason()) for spot in spots] == [
        (side, 1, verdict, reason)
    ]


def test_worse():
    # The median run of A, by chance the only one that has it.
    a = group("one", "001")
    median = a.runs[2]
    a = Group("one", (run("one-0", range(500, 900), params=a.runs[0].params), *a.runs[1:]), a.seeds)
    assert a.median is median
    [spot] = compare_groups(a, group("two", "111")).blindspots.spots
    assert (spot.side, spot.verdict, spot.raised) == ("a", Fate.WORSE, (1, 3))


def test_what_is_printed_and_for_programs():
    comparison = compare_groups(group("one", "111"), group("two", "000"))
    row = next(line for line in group_tables.terminal(comparison).splitlines() if "is dark" in line)
    assert row.split()[6:] == ["3", "of", "3", "runs", "0", "of", "3", "runs", "healed"]
    [spot] = group_tables.as_dict(comparison)["blindspots"]
    assert (spot["verdict"], spot["raised"], spot["runs"]) == ("healed", {"a": 3, "b": 0}, {"a": 3, "b": 3})


def test_groups_of_before():
    comparison = compare_groups(group("one", "111", None), group("two", "111"))
    assert comparison.blindspots.missing == ("one",)
    assert "one: blind spots were not looked for" in group_tables.terminal(comparison)
    both = compare_groups(group("one", "111", None), group("two", "111", None))
    assert "Blind spots" not in group_tables.terminal(both)
