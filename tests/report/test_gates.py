"""Conditions at their limits: each passes on one side and fails on the other."""

import pytest

from src.errors import GateError, InputError
from src.report.gates import Facts, Gates


def facts(**changes) -> Facts:
    usual = {"names": ("base", "new"), "seeds": (3, 3), "interval": (-0.008, -0.006), "broken": 10}
    return Facts(**(usual | {"images": 1000} | changes))


def test_no_conditions_are_met():
    Gates().check_form()
    Gates().check(facts())
    Gates().check(facts(interval=None, seeds=(1, 3)))


@pytest.mark.parametrize(
    ("gates", "line"),
    [
        (
            Gates(fail_if_worse_by="0.5%"),
            r"--fail-if-worse-by 0.5%: new is worse by more than that \(95% confidence interval -0.80",
        ),
        (
            Gates(require_not_worse_by="0.79%"),
            "--require-not-worse-by 0.79%: new may be worse by more than that",
        ),
        (Gates(fail_if_broken_above="9"), r"10 images are reliably broken \(1.00%\), more than 9"),
        (Gates(fail_if_broken_above="0.9%"), "more than 0.9%"),
    ],
)
def test_conditions_that_are_not_met(gates, line):
    with pytest.raises(GateError, match=line):
        gates.check(facts())


@pytest.mark.parametrize(
    "gates",
    [
        Gates(fail_if_worse_by="0.6%"),  # it may be worse by less
        Gates(require_not_worse_by="0.81%"),
        Gates(fail_if_broken_above="10"),
        Gates(fail_if_broken_above="1%"),
        Gates(min_seeds=3),
    ],
)
def test_conditions_that_are_met(gates):
    gates.check(facts())


def test_the_two_margins_differ_where_nothing_is_sure():
    unsure = facts(interval=(-0.02, 0.02))
    Gates(fail_if_worse_by="0.5%").check(unsure)
    with pytest.raises(GateError, match="may be worse by more than that"):
        Gates(require_not_worse_by="0.5%").check(unsure)


def test_every_condition_has_its_line():
    gates = Gates("0.5%", "0.5%", "0", 3)
    with pytest.raises(GateError) as failed:
        gates.check(facts())
    assert len(str(failed.value).splitlines()) == 3


SPOT = "dog: the picture is dark: 1 of 20 wrong in base, 18 in new"


def test_new_blind_spots():
    gates = Gates(fail_on_new_blind_spot=True)
    gates.check(facts())
    Gates().check(facts(new_blindspots=(SPOT,)))
    with pytest.raises(GateError) as failed:
        gates.check(facts(new_blindspots=(SPOT, "another")))
    lines = [f"--fail-on-new-blind-spot: {SPOT}", "--fail-on-new-blind-spot: another"]
    assert str(failed.value).splitlines() == lines


def test_a_side_without_blind_spots_cannot_be_judged():
    before = facts(without_blindspots=("base",), new_blindspots=(SPOT,))
    Gates().check(before)
    line = "--fail-on-new-blind-spot: base was made before blind spots were looked for; run `dvc repro` there"
    with pytest.raises(InputError, match=line) as refused:
        Gates(fail_on_new_blind_spot=True).check(before)
    assert not isinstance(refused.value, GateError)


def test_single_runs_break_images_but_not_reliably():
    with pytest.raises(GateError, match=r"^10 images are broken"):
        Gates(fail_if_broken_above="0").check(facts(seeds=(1, 1)))


@pytest.mark.parametrize(
    ("gates", "changes", "line"),
    [
        (Gates(min_seeds=3), {"seeds": (3, 2)}, "new: 2 runs, below --min-seeds 3; `make seeds` runs more"),
        (Gates(min_seeds=2), {"seeds": (1, 1)}, "base: 1 run, below --min-seeds 2"),
        (
            Gates("1%"),
            {"interval": None},
            "--fail-if-worse-by: too few seeds to tell; `make seeds` runs more",
        ),
        (Gates(None, "1%"), {"interval": None}, "--require-not-worse-by: too few seeds to tell"),
    ],
)
def test_what_cannot_be_judged_is_no_failure(gates, changes, line):
    with pytest.raises(InputError, match=line) as refused:
        gates.check(facts(**changes))
    assert not isinstance(refused.value, GateError)


@pytest.mark.parametrize("limit", ["0.5", "-1%", "%", "1e3%", "nan%", "100%", ""])
def test_margins_are_percentages(limit):
    for gates in (Gates(fail_if_worse_by=limit), Gates(require_not_worse_by=limit)):
        with pytest.raises(
            InputError, match=rf"worse-by: should be a percentage such as 0.5%, not '{limit}'"
        ):
            gates.check_form()
