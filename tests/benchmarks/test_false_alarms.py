"""The simulation of false alarms: what it draws, what it compares, and what comes of it."""

import numpy as np
import pytest
from scipy import stats

from benchmarks import false_alarms
from benchmarks.false_alarms import ACCURACY, METHODS, SEED_STD, SEEDS, Population, one_trial, p_values
from src.evaluation.significance import mcnemar


@pytest.mark.parametrize("difficulty", false_alarms.DIFFICULTIES)
def test_what_is_drawn(difficulty):
    rng = np.random.default_rng(0)
    plain = Population(200_000, difficulty, 0.0)
    a, b = plain._draw(rng, 0)
    assert a.mean() == pytest.approx(ACCURACY, abs=0.003)
    assert b.mean() == pytest.approx(ACCURACY, abs=0.003)
    disagreeing = {"all alike": 2 * 0.94 * 0.06}.get(difficulty, 0.048)
    assert (a[0] != a[1]).mean() == pytest.approx(disagreeing, abs=0.002)
    assert ((a[0] != b[0]).mean() > disagreeing + 0.005) == (difficulty == "differ by side")
    spread = np.std([Population(200_000, difficulty, SEED_STD)._draw(rng, 0)[0].mean(1) for _ in range(20)])
    assert spread == pytest.approx(SEED_STD, rel=0.25)


def test_the_true_difference():
    population = Population(200_000, "easy and hard", 0.0, 0.01)
    a, b = population._draw(np.random.default_rng(0), population._shift())
    assert b.mean() - a.mean() == pytest.approx(0.01, abs=0.001)


def test_what_ours_is_compared_with():
    rng = np.random.default_rng(0)
    trials = [rng.random((2, false_alarms.MOST, 200)) < 0.8 for _ in range(5)]
    found = p_values([one_trial(*sides) for sides in trials])
    assert found.shape == (5, len(METHODS))
    for (a, b), row in zip(trials, found, strict=True):
        by_name = dict(zip(METHODS, row, strict=True))
        fixed, broken = int((b[0] & ~a[0]).sum()), int((a[0] & ~b[0]).sum())
        assert by_name["McNemar, 1"] == pytest.approx(mcnemar(fixed, broken))
        images = stats.ttest_rel(a[:3].mean(0), b[:3].mean(0)).pvalue
        assert by_name["t over images, 3"] == pytest.approx(images)
        seeds = stats.ttest_ind(a.mean(1), b.mean(1), equal_var=False).pvalue
        assert by_name["t over seeds, 10"] == pytest.approx(seeds)


@pytest.mark.parametrize("difficulty", false_alarms.DIFFICULTIES)
@pytest.mark.parametrize("seed_std", [0.0, 0.01])  # as much again as chance on 500 images
def test_few_false_alarms(difficulty, seed_std):
    trials = 1_000
    found = Population(500, difficulty, seed_std).trials(trials, np.random.default_rng(0)) < 0.05
    shares = dict(zip(METHODS, found.mean(0), strict=True))
    for name in METHODS[: len(SEEDS)]:
        assert shares[name] <= 0.06, shares
    if seed_std:
        assert shares["t over images, 10"] > 0.1
    elif difficulty == "differ by side":
        assert shares["t over seeds, 10"] > 0.1


def test_two_tables(capsys):
    false_alarms.main(["--trials", "2"])
    printed = capsys.readouterr().out
    assert "False alarms, 2 comparisons a row" in printed
    assert "Power, 2 comparisons a row" in printed
    rows = [line for line in printed.splitlines() if line.startswith("|")]
    assert len(rows) == (2 + 12) + (2 + 6)
    assert rows[-1].startswith("|      500 | 1.00 points")
