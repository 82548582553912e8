"""Which images a change fixes or breaks whatever the seed, and how many would look so by chance."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import roots_sh_jacobi
from scipy.stats import binom

NODES, STEPS = 60, 200  # of the distribution of images, and of what fits it; more change nothing


class Reliability(StrEnum):
    """What became of an image between the seeds of A and those of B.

    With three seeds or more on a side, one of them may be an exception: reliably wrong is right in at most
    one seed, reliably right is right in all but at most one. With one or two seeds there are no exceptions.
    """

    RIGHT = "always right"  # in all seeds of both sides
    WRONG = "always wrong"
    FIXED = "reliably fixed"  # reliably wrong in A, reliably right in B
    BROKEN = "reliably broken"  # the other way around
    FLAKY = "flaky"  # any other: right in some seeds and wrong in others


CHANGES = (Reliability.FIXED, Reliability.BROKEN, Reliability.FLAKY)


@dataclass(frozen=True)
class ImageChanges:
    """Each test image over all seeds.

    Attributes:
        right_a, right_b: int (N,), in how many seeds of each side the image is right.
        seeds_a, seeds_b: how many there are.
        outcomes: `Reliability` (N,).
        by_chance: how many images of each of `CHANGES` to expect if nothing but the seeds differed, see
            `expected_by_chance`; None with a single seed on both sides.
    """

    right_a: np.ndarray
    right_b: np.ndarray
    seeds_a: int
    seeds_b: int
    outcomes: np.ndarray
    by_chance: dict[Reliability, float] | None

    def count(self, outcome: Reliability) -> int:
        """Number of images with that outcome."""
        return int((self.outcomes == outcome).sum())

    def indices(self, outcome: Reliability) -> list[int]:
        """Positions in the test split of these images, the largest change in the share of seeds first."""
        images = np.flatnonzero(self.outcomes == outcome)
        change = np.abs(self.right_b * self.seeds_a - self.right_a * self.seeds_b)[images]  # exactly equal
        return images[np.argsort(-change, kind="stable")].tolist()


def image_changes(right_a: np.ndarray, right_b: np.ndarray) -> ImageChanges:
    """What became of each image.

    Args:
        right_a, right_b: bool (seeds of the side, images), at least one seed, and the same images.
    """
    often_a, often_b, seeds_a, seeds_b = right_a.sum(0), right_b.sum(0), len(right_a), len(right_b)
    return ImageChanges(
        often_a,
        often_b,
        seeds_a,
        seeds_b,
        outcomes_of(often_a, often_b, seeds_a, seeds_b),
        expected_by_chance(often_a, often_b, seeds_a, seeds_b),
    )


def outcomes_of(often_a: np.ndarray, often_b: np.ndarray, seeds_a: int, seeds_b: int) -> np.ndarray:
    """The `Reliability`, str, of images that are right in so many seeds of each side; arrays of one shape."""
    wrong_a, right_a = _reliably(often_a, seeds_a)
    wrong_b, right_b = _reliably(often_b, seeds_b)
    often, seeds = often_a + often_b, seeds_a + seeds_b
    # The first that holds.
    conditions = [often == seeds, often == 0, wrong_a & right_b, right_a & wrong_b]
    outcomes = [Reliability.RIGHT, Reliability.WRONG, Reliability.FIXED, Reliability.BROKEN]
    return np.select(conditions, outcomes, Reliability.FLAKY)


def _reliably(often: np.ndarray, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether images are reliably wrong on a side, and whether reliably right."""
    return often <= exceptions(seeds), often >= seeds - exceptions(seeds)


def exceptions(seeds: int) -> int:
    """How many of a side's seeds may differ from the others where an image is reliably right or wrong."""
    return 1 if seeds >= 3 else 0


def expected_by_chance(
    often_a: np.ndarray, often_b: np.ndarray, seeds_a: int, seeds_b: int
) -> dict[Reliability, float] | None:
    """How many images would change if both sides were the same recipe, with as many other seeds.

    A count means nothing without it: with three seeds, images that are right in every other seed look fixed
    or broken in half of all tries. Halves of a side's own seeds would not tell, since they have fewer seeds,
    for which "reliably" is less; nor would seeds exchanged between the sides, since images that B really
    fixed would count as chance. Instead, each image is right in a share p of all possible seeds; how p varies
    from image to image is seen in the seeds of one side, and gives the chance of every pair of counts. The
    figures are the mean of A against A and of B against B.

    Args:
        often_a, often_b: int (N,), in how many seeds of each side each image is right.
        seeds_a, seeds_b: how many there are; a side with one seed does not show which images are flaky.

    Returns:
        A number of images for each of `CHANGES`; None if neither side has two seeds.
    """
    sides = [(often, seeds) for often, seeds in ((often_a, seeds_a), (often_b, seeds_b)) if seeds > 1]
    if not sides:
        return None
    count_a, count_b = np.indices((seeds_a + 1, seeds_b + 1))
    outcomes = outcomes_of(count_a, count_b, seeds_a, seeds_b)
    chances = np.mean([_chances(often, seeds, count_a, count_b) for often, seeds in sides], axis=0)
    return {change: float(len(often_a) * chances[outcomes == change].sum()) for change in CHANGES}


def _chances(often: np.ndarray, seeds: int, count_a: np.ndarray, count_b: np.ndarray) -> np.ndarray:
    """Chance that an image is right in `count_a` and `count_b` seeds of two groups, by one side's counts.

    Args:
        often: int (N,), in how many of its `seeds` (at least two) each image is right.
        count_a, count_b: int (seeds of A + 1, seeds of B + 1), each pair of counts.
    """
    seeds_a, seeds_b = len(count_a) - 1, count_a.shape[1] - 1
    if np.isin(often, (0, seeds)).all():  # the seeds agree on every image
        mean = often.mean() / seeds
        return mean * ((count_a == seeds_a) & (count_b == seeds_b)) + (1 - mean) * (count_a + count_b == 0)
    p, weights = _difficulties(often, seeds)
    return (binom.pmf(count_a[:, :1], seeds_a, p) * weights) @ binom.pmf(count_b[:1].T, seeds_b, p).T


def _difficulties(often: np.ndarray, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares p of all seeds, and how many of the images are right in such a share; (NODES,) both.

    First a beta distribution with the mean and the variance of p that the counts show. Then its weights are
    changed until it gives each count as often as it was seen; the EM algorithm of a mixture, which leaves the
    shape as it is where so few seeds say nothing about it.
    """
    mean = often.mean() / seeds
    square = (often * (often - 1)).mean() / (seeds * (seeds - 1))  # of p, without bias
    # Alpha + beta; very many where images hardly differ.
    total = (mean - square) / max(square - mean**2, 1e-3 * (mean - square))
    alpha, beta = mean * total, (1 - mean) * total
    p, weights = roots_sh_jacobi(NODES, alpha + beta - 1, alpha)
    weights = weights / weights.sum()
    seen = np.bincount(often, minlength=seeds + 1) / len(often)
    chances = binom.pmf(np.arange(seeds + 1)[:, None], seeds, p)
    for _ in range(STEPS):
        weights = weights * ((seen / (chances @ weights)) @ chances)
    return p, weights
