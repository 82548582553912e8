"""How certain a figure is that was measured on a limited number of images."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

CONFIDENCE_LEVEL = 0.95  # of all confidence intervals
SIGNIFICANCE_LEVEL = 0.05  # p-values below are evidence of a difference


def accuracy_interval(right: int, count: int) -> tuple[float, float]:
    """Confidence interval of an accuracy of `right` in `count` images; Wilson, 1927."""
    interval = binomtest(right, count).proportion_ci(CONFIDENCE_LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def difference_interval(fixed: int, broken: int, count: int) -> tuple[float, float]:
    """Confidence interval of the difference in accuracy of two models on the same `count` images.

    Images that both get right, or both wrong, say nothing about it. Of the others, the share that is fixed
    has an exact interval (Clopper & Pearson, 1934), which is carried over to the difference,
    (fixed - broken) / count; so it excludes 0 where `mcnemar` is below 0.05. Without such images: (0, 0).

    Args:
        fixed: images that only the second model gets right.
        broken: images that only the first gets right.
        count: all images.
    """
    differing = fixed + broken
    if not differing:
        return 0.0, 0.0
    share = binomtest(fixed, differing).proportion_ci(CONFIDENCE_LEVEL)
    low, high = (float(2 * end - 1) * differing / count for end in (share.low, share.high))
    return low, high


def mcnemar(fixed: int, broken: int) -> float:
    """The exact p-value of McNemar's test, 1947: that chance alone splits the images so unevenly.

    If neither model were better, each image on which just one of them is right would be a toss of a coin: a
    binomial test of `broken` in `fixed + broken` with probability 1/2.

    Args:
        fixed: images that only the second model gets right.
        broken: images that only the first gets right.
    """
    return float(binomtest(broken, fixed + broken).pvalue) if fixed + broken else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in the order given.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979: the smallest of m times m, the next
    times m - 1, and so on; none smaller than the one before it, none above 1.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable").tolist()):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def in_words(p_value: float) -> str:
    """What a p-value of McNemar's test means."""
    if p_value > 2 / 3:
        tries = "almost every try"
    elif p_value >= 1e-3:
        tries = f"1 of {round(1 / p_value):,} tries"
    else:
        tries = "fewer than 1 of 1,000 tries"
    return f"chance alone would give a difference at least this large in {tries}: {verdict(p_value)}"


def verdict(p_value: float) -> str:
    """Whether a p-value is evidence, in a few words."""
    return "evidence of a difference" if p_value < SIGNIFICANCE_LEVEL else "no evidence of a difference"
