"""The difference in accuracy of two groups of runs that differ only in their seed, on the same test images.

Two things make it uncertain: other test images, and other seeds. Both sides meet the same images, so an image
counts with its difference; each seed counts with its accuracy. The variance of the difference is therefore

    V = I + S - T,    I = Var over images (mean of B's seeds - mean of A's) / N,
                      S = s²_A / n_A + s²_B / n_B,    s²: variance of a side's accuracies.

T is what both count. Write what a seed makes of an image as side + image + seed + residual, with variances
τ² (of the images' difference), σ² (of the seeds) and ε² (of the residual). Then, for each side's share,

    E I = τ²/N + Σ ε²/(N n),    E S = Σ σ²/n + Σ ε²/(N n),    Var(difference) = τ²/N + Σ σ²/n + Σ ε²/(N n),

so T = Σ ε²/(N n), where ε² is the residual mean square of the table of seeds × images. This is clustering
by two ways as in Cameron, Gelbach & Miller, "Robust Inference With Multiway Clustering", 2011, with one
change: they subtract the squares of single entries, which hold the images' variance too. Of n seeds that
takes away 1/n of it, a third with three seeds. V is never less than I or S: chance can make T larger than
either.

Seeds of A and B count as independent, also where both sides ran seed 0.
`python -m benchmarks.false_alarms` shows how often the interval is wrong.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit  # of Student's t; scipy.stats takes milliseconds for each

from src.evaluation.significance import CONFIDENCE_LEVEL, holm

POWER = 0.8  # the smallest difference is one that this share of all comparisons would find


@dataclass(frozen=True)
class Side:
    """The accuracies of a group of runs.

    Attributes:
        accuracies: of each seed, 0–1.
        mean: of them.
        std: their standard deviation, with n - 1; None of one seed.
        median_seed: position of the seed in the middle; of the lower one of two.
    """

    accuracies: tuple[float, ...]
    mean: float
    std: float | None
    median_seed: int

    @property
    def seeds(self) -> int:
        return len(self.accuracies)


@dataclass(frozen=True)
class Variance:
    """The variance of a difference in its parts; see the module.

    Attributes:
        images: I, of the test images.
        seeds: of A's and of B's seeds; S is their sum.
        twice: T, what both count.
        degrees: of freedom, by Satterthwaite, 1946; infinite where nothing varies.
    """

    images: float
    seeds: tuple[float, float]
    twice: float
    degrees: float

    @property
    def total(self) -> float:
        """V, not below its parts."""
        both = sum(self.seeds)
        return max(self.images, both, self.images + both - self.twice)


@dataclass(frozen=True)
class Difference:
    """Two groups of runs on the same images.

    Attributes:
        a, b: the sides.
        images: number of test images.
        value: mean accuracy of b minus that of a.
        variance: of the value; None with one seed on a side or one image.
        interval: confidence interval of the value: for other test images of this kind, and other seeds.
        p_value: how often chance alone would make the value at least this large; below 0.05 exactly where
            the interval excludes 0. Neither is known without a variance, nor if nothing varies and yet the
            sides differ, as on two images that A never and B always gets right.
        b_beats_a: probability that one more seed of B has a higher accuracy on these test images than one
            more seed of A: the predictive distribution of normal accuracies with unknown variances, value +
            t √(s²_A (1 + 1/n_A) + s²_B (1 + 1/n_B)), t with Welch's degrees of freedom. Not the share of the
            pairs at hand in which B wins, which with three seeds is often 0 or 1 by luck. None as above.
        smallest: the true difference that 80% of such comparisons would find, (t of 97.5% + t of 80%) √V;
            Bloom, "Minimum Detectable Effects", 1995. None as above, and if nothing varies.
    """

    a: Side
    b: Side
    images: int
    value: float
    variance: Variance | None
    interval: tuple[float, float] | None
    p_value: float | None
    b_beats_a: float | None
    smallest: float | None


@dataclass(frozen=True)
class ClassDifference:
    """The difference on the images of a class.

    Attributes:
        name: of the class.
        difference: on its images alone; None if it has none. Its interval is not widened for the number of
            classes.
        p_value: adjusted for the number of classes; Holm, 1979. None where the difference has none.
    """

    name: str
    difference: Difference | None
    p_value: float | None


def difference_of(right_a: np.ndarray, right_b: np.ndarray) -> Difference:
    """The difference between two groups of seeds.

    Args:
        right_a, right_b: bool (seeds of the side, images), whether each seed is right on each image; at least
            one seed, and the same images, at least one.
    """
    a, b = side_of(right_a), side_of(right_b)
    value, images = b.mean - a.mean, right_a.shape[1]
    if min(a.seeds, b.seeds, images) < 2:
        return Difference(a, b, images, value, None, None, None, None, None)
    variance = variance_of(right_a, right_b)
    chance = _chance_to_win(a, b, value)
    if variance.total == 0:
        interval, p_value = ((0.0, 0.0), 1.0) if value == 0 else (None, None)
        return Difference(a, b, images, value, variance, interval, p_value, chance, None)
    error = math.sqrt(variance.total)
    two_sided, one_sided = stdtrit(variance.degrees, ((1 + CONFIDENCE_LEVEL) / 2, POWER)).tolist()
    interval = (value - two_sided * error, value + two_sided * error)
    p_value = float(2 * stdtr(variance.degrees, -abs(value) / error))
    smallest = (two_sided + one_sided) * error
    return Difference(a, b, images, value, variance, interval, p_value, chance, smallest)


def side_of(right: np.ndarray) -> Side:
    """The accuracies of a group: bool (seeds, images)."""
    counts = right.sum(1)
    std = math.sqrt(_variance(counts)) / right.shape[1] if len(right) > 1 else None
    median_seed = int(np.argsort(counts, kind="stable")[(len(right) - 1) // 2])
    accuracies = tuple((counts / right.shape[1]).tolist())
    # From whole numbers, so that equal means are equal to the last bit.
    return Side(accuracies, int(counts.sum()) / right.size, std, median_seed)


def variance_of(right_a: np.ndarray, right_b: np.ndarray) -> Variance:
    """The variance of the difference between two groups of at least two seeds, on at least two images.

    Satterthwaite's degrees of freedom are those of I and S; T's are so many that it adds nothing. With few
    and unequal seeds (3 against 10) they are often too many: where three seeds agree by luck, V is too small
    and seems to come from the ten. So S has at most the degrees that equal variances would give it. If the
    three really vary twice as much as the ten, 7% false alarms remain.

    Args:
        right_a, right_b: bool (seeds of the side, images).
    """
    count_a, count_b, images = len(right_a), len(right_b), right_a.shape[1]
    # Of each image, the difference of the means times count_a × count_b: a whole number.
    changes = count_a * right_b.sum(0) - count_b * right_a.sum(0)
    of_images = _variance(changes) / (count_a * count_b) ** 2 / images
    of_a, of_b = (_variance(right.sum(1)) / images**2 / len(right) for right in (right_a, right_b))
    twice = sum(residual_variance(right) / images / len(right) for right in (right_a, right_b))
    variance = Variance(of_images, (of_a, of_b), twice, math.inf)
    if variance.total == 0:
        return variance
    spread = of_a**2 / (count_a - 1) + of_b**2 / (count_b - 1)
    if_equal = (1 / count_a**2 / (count_a - 1) + 1 / count_b**2 / (count_b - 1)) / (
        1 / count_a + 1 / count_b
    ) ** 2
    spread = max(spread, (of_a + of_b) ** 2 * if_equal)
    degrees = variance.total**2 / (of_images**2 / (images - 1) + spread)
    return Variance(of_images, (of_a, of_b), twice, degrees)


def residual_variance(right: np.ndarray) -> float:
    """What neither the image nor the seed explains of a table of bool (seeds, images), both at least two.

    The mean square of (entry - mean of its image - mean of its seed + mean of all).
    """
    seeds, images = right.shape
    often = right.sum(0)
    within_images = int((often * (seeds - often)).sum()) / seeds
    between_seeds = (seeds - 1) * _variance(right.sum(1)) / images
    return (within_images - between_seeds) / ((seeds - 1) * (images - 1))


def differences_by_class(
    right_a: np.ndarray, right_b: np.ndarray, labels: np.ndarray, names: Sequence[str]
) -> list[ClassDifference]:
    """The difference on the images of each class.

    Args:
        right_a, right_b: bool (seeds of the side, images).
        labels: int (images,), positions in `names`.
        names: of all classes.
    """
    differences = [
        difference_of(right_a[:, labels == number], right_b[:, labels == number])
        if (labels == number).any()
        else None
        for number in range(len(names))
    ]
    p_values = [difference.p_value if difference else None for difference in differences]
    known = iter(holm([p_value for p_value in p_values if p_value is not None]))
    adjusted = [None if p_value is None else next(known) for p_value in p_values]
    return [ClassDifference(*row) for row in zip(names, differences, adjusted, strict=True)]


def _chance_to_win(a: Side, b: Side, value: float) -> float:
    """`Difference.b_beats_a`; of sides with a standard deviation."""
    parts = [(side.std or 0) ** 2 * (1 + 1 / side.seeds) for side in (a, b)]
    if not any(parts):
        return 0.5 + 0.5 * float(np.sign(value))
    spread = sum(part**2 / (side.seeds - 1) for part, side in zip(parts, (a, b), strict=True))
    return float(stdtr(sum(parts) ** 2 / spread, value / math.sqrt(sum(parts))))


def _variance(values: np.ndarray) -> float:
    """Of whole numbers, with n - 1; exactly 0 where they are all the same."""
    count, total, squares = len(values), int(values.sum()), int((values * values).sum())
    return (count * squares - total * total) / (count * (count - 1))
