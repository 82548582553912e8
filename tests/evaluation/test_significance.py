import pytest

from src.evaluation.significance import accuracy_interval, difference_interval, holm, in_words, mcnemar


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
    # Of 100 images that differ, 60 fixed: 0.4972 to 0.6967 by Clopper & Pearson; twice that less 1, of 1,000.
    assert difference_interval(60, 40, 1000) == pytest.approx((-0.00056, 0.03934), abs=1e-5)
    assert difference_interval(40, 60, 1000) == pytest.approx((-0.03934, 0.00056), abs=1e-5)
    assert difference_interval(0, 0, 1000) == (0, 0)


def test_interval_and_test_never_contradict_each_other():
    for fixed in range(0, 30, 2):
        for broken in range(30):
            low, high = difference_interval(fixed, broken, 500)
            assert low <= (fixed - broken) / 500 <= high
            assert (low > 0 or high < 0) == (mcnemar(fixed, broken) < 0.05)


def test_holm_by_hand():
    # 0.01 × 4 = 0.04, 0.02 × 3 = 0.06, 0.03 × 2 = 0.06, and 0.04 × 1, raised to the 0.06 before it.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1, 1]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("p_value", "words"),
    [
        (1.0, "in almost every try: no evidence"),
        (0.34, "in 1 of 3 tries: no evidence of a difference"),
        (0.05, "in 1 of 20 tries: no evidence of a difference"),
        (0.01, "in 1 of 100 tries: evidence of a difference"),
        (1e-9, "in fewer than 1 of 1,000 tries: evidence of a difference"),
    ],
)
def test_a_p_value_in_words(p_value, words):
    assert words in in_words(p_value)
