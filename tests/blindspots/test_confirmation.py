from itertools import combinations
from math import comb

import numpy as np
import pytest
from scipy.stats import beta, fisher_exact

from src.blindspots.confirmation import (
    Comparison,
    fisher,
    interval,
    p_value,
    selected_level,
    smallest_detectable,
)


def test_fishers_test_by_hand():
    # The lady tasting tea: 3 of 4 cups or more are right in (16 + 1) of 70 ways.
    assert fisher([Comparison(4, 3, 4, 1)]) == pytest.approx(17 / 70)
    assert fisher([Comparison(52, 41, 900, 45)]) == pytest.approx(
        fisher_exact([[41, 11], [45, 855]], alternative="greater").pvalue, rel=1e-6
    )
    assert fisher([Comparison(10, 0, 50, 0)]) == 1
    assert fisher([Comparison(10, 10, 50, 50)]) == pytest.approx(1)


def test_with_strata_by_counting_every_way():
    parts = [Comparison(2, 2, 3, 1), Comparison(3, 2, 1, 0)]
    ways = at_least = 0
    for first in combinations(range(5), 2):
        for second in combinations(range(4), 3):
            ways += 1
            # Images 0 to 2 of the first class are wrong, 0 and 1 of the second.
            at_least += sum(i < 3 for i in first) + sum(i < 2 for i in second) >= 4
    assert ways == comb(5, 2) * comb(4, 3)
    assert fisher(parts) == pytest.approx(at_least / ways)


def test_more_of_a_hard_class_is_no_evidence():
    # 80 of 100 images of the hard class are in the group, of which half are wrong everywhere.
    labels = np.repeat([0, 1], [100, 300])
    members = np.zeros(400, bool)
    members[:80] = members[100:110] = True
    wrong = np.zeros(400, bool)
    wrong[:100:2] = True
    group = np.ones(400, bool)
    assert fisher([Comparison(90, 40, 310, 10)]) < 1e-9
    assert p_value(members, group, wrong, labels) > 0.3
    assert p_value(members[:100], group[:100], wrong[:100], labels[:100]) > 0.3


def test_clopper_and_pearson():
    low, high = interval(41, 52, 0.95)
    assert low == pytest.approx(beta.ppf(0.025, 41, 12))
    assert high == pytest.approx(beta.ppf(0.975, 42, 11))
    # All wrong: the lower end is (α / 2)^(1 / n).
    assert interval(10, 10, 0.95) == pytest.approx((0.025**0.1, 1))
    assert interval(0, 0, 0.95) == (0, 1)


def test_the_level_for_those_selected():
    assert selected_level(2, 8) == pytest.approx(1 - 0.05 / 4)
    assert selected_level(3, 3) == pytest.approx(0.95)


def test_the_smallest_group_that_would_be_confirmed():
    # All right elsewhere, and every image of the group wrong: 1 / C(100, n) is the p-value.
    assert 1 / comb(100, 2) <= 0.05 / 10 < 1 / comb(100, 1)
    assert smallest_detectable(100, 0.0, 1.0, 10, 1, 30) == 2
    assert smallest_detectable(100, 0.5, 0.5, 10, 1, 30) is None
    sizes = [smallest_detectable(1000, error, 0.5, 10, 1, 300) for error in (0.02, 0.1, 0.3)]
    assert sizes == sorted(sizes)
