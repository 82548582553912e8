import numpy as np
import pytest

from src.significance import accuracy_interval, difference_interval, in_words, mcnemar


def test_wilsons_interval():
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I: 81 of 263.
    low, high = accuracy_interval(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert accuracy_interval(10, 10)[1] == 1


def test_mcnemar_by_hand():
    # Two of ten: (1 + 10 + 45) / 2^10 at either end.
    assert mcnemar(8, 2) == mcnemar(2, 8) == pytest.approx(2 * 56 / 1024)
    assert mcnemar(5, 5) == 1
    assert mcnemar(0, 0) == 1


def test_the_interval_of_a_difference():
    # 60 fixed, 40 broken of 1,000: 0.02 ± 1.96 × sqrt((0.1 - 0.02²) / 1000), up to the t-distribution's tail.
    right_a = np.zeros(1000, bool)
    right_a[:540] = True
    right_b = right_a.copy()
    right_b[:40], right_b[540:600] = False, True
    half = 1.96 * np.sqrt((0.1 - 0.02**2) / 1000)
    assert difference_interval(right_a, right_b) == pytest.approx((0.02 - half, 0.02 + half), abs=1e-4)
    assert difference_interval(right_b, right_a) == pytest.approx((-0.02 - half, -0.02 + half), abs=1e-4)
    assert difference_interval(right_a, right_a) == (0, 0)


@pytest.mark.parametrize(
    ("p_value", "words"),
    [
        (1.0, "in nearly every try: no evidence"),
        (0.34, "in 1 of 3 tries: no evidence of a difference"),
        (0.05, "in 1 of 20 tries: no evidence of a difference"),
        (0.01, "in 1 of 100 tries: unlikely to be chance"),
        (1e-9, "in less than 1 of 1,000 tries: unlikely to be chance"),
    ],
)
def test_a_p_value_in_words(p_value, words):
    assert words in in_words(p_value)
