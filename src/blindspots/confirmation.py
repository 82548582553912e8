"""Whether what was found on one half of the test images holds on the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy.stats import binomtest, hypergeom

from src.evaluation.significance import SIGNIFICANCE_LEVEL


@dataclass(frozen=True)
class Comparison:
    """A group against the rest of its class, or of all images.

    Attributes:
        images, wrong: in the group, and wrong among them.
        rest_images, rest_wrong: in the rest.
    """

    images: int
    wrong: int
    rest_images: int
    rest_wrong: int

    @property
    def error(self) -> float:
        return self.wrong / self.images if self.images else 0.0

    @property
    def rest_error(self) -> float:
        return self.rest_wrong / self.rest_images if self.rest_images else 0.0


def compare(members: np.ndarray, group: np.ndarray, wrong: np.ndarray) -> Comparison:
    """Count; all bool (n,).

    Args:
        members: the images in question, all of them in `group`.
        group: those that they are compared with, and they.
        wrong: which are.
    """
    rest = group & ~members
    return Comparison(
        int(members.sum()), int((members & wrong).sum()), int(rest.sum()), int((rest & wrong).sum())
    )


def fisher(parts: Sequence[Comparison]) -> float:
    """One-sided p-value: that as many errors or more fall into the group by chance.

    Fisher's exact test, 1934, with strata: given how many images of each class are in the group and how many
    of the class are wrong, errors inside are hypergeometric, and their sum is the statistic (Zelen, 1971).
    With one stratum it is the plain test.

    Args:
        parts: of each stratum.
    """
    parts = [part for part in parts if part.images and part.wrong + part.rest_wrong]
    chances = reduce(np.convolve, [_errors_inside(part) for part in parts], np.ones(1))
    least = sum(max(0, part.images - _right(part)) for part in parts)  # where the distributions begin
    return float(min(1.0, chances[sum(part.wrong for part in parts) - least :].sum()))


def _right(part: Comparison) -> int:
    return part.images + part.rest_images - part.wrong - part.rest_wrong


def _errors_inside(part: Comparison) -> np.ndarray:
    """Probabilities of all numbers of errors in the group that can be, from the smallest on."""
    total, all_wrong = part.images + part.rest_images, part.wrong + part.rest_wrong
    possible = np.arange(max(0, part.images - _right(part)), min(part.images, all_wrong) + 1)
    return hypergeom.pmf(possible, total, all_wrong, part.images)


def p_value(members: np.ndarray, group: np.ndarray, wrong: np.ndarray, labels: np.ndarray) -> float:
    """That a group's errors are chance: the larger one of the plain test's and that with classes as strata.

    The second sees to it that a group is not confirmed for holding more of a hard class. Both hypotheses have
    to fall, so the larger p-value counts, without adjustment (intersection-union test; Berger, 1982).

    Args:
        members, group, wrong: as in `compare`.
        labels: int (n,), classes.
    """
    plain = fisher([compare(members, group, wrong)])
    if len(np.unique(labels[group])) < 2:
        return plain
    images, wrong_images, rest, rest_wrong = (
        np.bincount(labels[chosen], minlength=labels.max() + 1).tolist()
        for chosen in (members, members & wrong, group & ~members, group & ~members & wrong)
    )
    return max(plain, fisher(list(map(Comparison, images, wrong_images, rest, rest_wrong))))


def interval(wrong: int, images: int, level: float) -> tuple[float, float]:
    """Exact confidence interval of an error rate; Clopper and Pearson, 1934."""
    if not images:
        return 0.0, 1.0
    found = binomtest(wrong, images).proportion_ci(level)
    return float(found.low), float(found.high)


def selected_level(confirmed: int, tested: int) -> float:
    """Level of intervals that are shown for `confirmed` of `tested` groups only, those with the most errors.

    Among the intervals shown, at most 5 % miss on average (Benjamini and Yekutieli, "False Discovery
    Rate-Adjusted Multiple Confidence Intervals for Selected Parameters", 2005), which is what a reader
    cares for. Bonferroni over the shown alone would ignore that they were selected.
    """
    return 1 - SIGNIFICANCE_LEVEL * confirmed / max(tested, 1)


def smallest_detectable(
    half: int, error: float, share: float, tests: int, smallest: int, largest: int
) -> int | None:
    """Images that a group must have in the confirming half for Fisher's test to confirm it.

    Args:
        half: images in that half.
        error: error rate of the rest.
        share: of the group's images that are wrong.
        tests: that Holm's first step divides the level by.
        smallest, largest: images a group may have.

    Returns:
        None where not even the largest would be.
    """
    images = np.arange(smallest, largest + 1)
    wrong = np.ceil(share * images).astype(int)
    rest_wrong = np.rint(error * (half - images)).astype(int)
    p_values = hypergeom.sf(wrong - 1, half, wrong + rest_wrong, images)
    enough = np.flatnonzero(p_values <= SIGNIFICANCE_LEVEL / max(tests, 1))
    return int(images[enough[0]]) if len(enough) else None
