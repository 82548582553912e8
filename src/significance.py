"""How sure one can be of a figure that was measured on so many images."""

import numpy as np
from scipy.stats import binomtest, ttest_rel

LEVEL = 0.95  # of all confidence intervals
SURPRISING = 0.05  # p-values below are evidence of a difference


def accuracy_interval(right: int, count: int) -> tuple[float, float]:
    """Confidence interval of an accuracy of `right` in `count` images; Wilson, 1927."""
    interval = binomtest(right, count).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def difference_interval(right_a: np.ndarray, right_b: np.ndarray) -> tuple[float, float]:
    """Confidence interval of the accuracy of b less that of a on the same images.

    Of paired differences: images that both get right, or both wrong, carry no doubt about it.

    Args:
        right_a, right_b: bool (N,), whether each image was recognised.
    """
    a, b = right_a.astype(float), right_b.astype(float)
    if np.ptp(b - a) == 0:
        return float((b - a)[0]), float((b - a)[0])
    interval = ttest_rel(b, a).confidence_interval(LEVEL)
    return float(interval.low), float(interval.high)


def mcnemar(fixed: int, broken: int) -> float:
    """The exact p-value of McNemar's test, 1947: that chance alone splits the images so unevenly.

    If neither model were better, each image on which just one of them is right would be a toss of a coin: a
    binomial test of `broken` in `fixed + broken` with probability 1/2.

    Args:
        fixed: images that only the second model gets right.
        broken: images that only the first gets right.
    """
    return float(binomtest(broken, fixed + broken).pvalue) if fixed + broken else 1.0


def in_words(p_value: float) -> str:
    """What a p-value of McNemar's test means."""
    if p_value > 2 / 3:
        tries = "nearly every try"
    elif p_value >= 1e-3:
        tries = f"1 of {round(1 / p_value):,} tries"
    else:
        tries = "less than 1 of 1,000 tries"
    meaning = "unlikely to be chance" if p_value < SURPRISING else "no evidence of a difference"
    return f"chance alone would do this in {tries}: {meaning}"
