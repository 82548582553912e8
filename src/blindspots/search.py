"""The search for groups of images with more errors than the rest: a scan statistic and its penalty."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.special import xlogy

from src.blindspots.rules import Rules

SMALLEST, SMALLEST_SHARE = 10, 0.005  # images of a group in a half, and of the half
LARGEST_SHARE = 0.3  # of the class, or of all images
RATIO, POINTS = 2.0, 0.1  # by which the error rate in a group is to be above the rest's
MAX_CANDIDATES = 10
STRATA = 20  # of the images, for rules over all classes: the classes, or as many groups of equally hard ones


@dataclass(frozen=True)
class Half:
    """The images in which groups are looked for.

    Attributes:
        rows: their positions among all test images, int (n,).
        labels: codes of their classes, int (n,).
        wrong: bool (n,).
        classes: how many classes there are.
    """

    rows: np.ndarray
    labels: np.ndarray
    wrong: np.ndarray
    classes: int

    @property
    def smallest(self) -> int:
        """Images that a group must have."""
        return smallest_group(len(self.rows))


@dataclass(frozen=True)
class Candidate:
    """A rule that was found.

    Attributes:
        number: of the rule in `Rules`.
        actual: a class's code; None: over all.
        score: penalized log-likelihood ratio.
    """

    number: int
    actual: int | None
    score: float


def smallest_group(half: int) -> int:
    """Images that a group must have in a half of so many."""
    return max(SMALLEST, int(np.ceil(SMALLEST_SHARE * half)))


def log_likelihood(wrong: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Of `wrong` errors in `count` images under the rate that fits best; 0 without images."""
    share = wrong / np.maximum(count, 1)
    return xlogy(wrong, share) + xlogy(count - wrong, 1 - share)


def scan_statistic(
    inside: tuple[np.ndarray, np.ndarray], outside: np.ndarray, strata: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Log-likelihood ratio of a rate of its own inside a group against none.

    The Bernoulli scan statistic (Kulldorff, "A spatial scan statistic", 1997; of classifiers' errors: Zhang
    and Neill, "Identifying Significant Predictive Bias in Classifiers", 2016) with strata. Without the group,
    each class has its own error rate, so that a class that is harder as a whole is no blind spot. With the
    group, one rate holds inside and outside of it each class has its own. That is one parameter more for
    every rule, over all classes or within one, and the images are the same: so all values can be compared.
    For a rule within a class all other terms cancel, and the plain statistic of that class remains.

    Args:
        inside: errors and images in each group, (R,) each.
        outside: log-likelihood of the images outside, summed over the strata, (R,).
        strata: errors and images in each stratum, (S,) each.
    """
    return log_likelihood(*inside) + outside - log_likelihood(*strata).sum()


def raised(wrong: np.ndarray, count: np.ndarray, all_wrong: float, total: float) -> np.ndarray:
    """bool: where the size and the error rate of groups, compared with the rest, deserve attention."""
    rest = (all_wrong - wrong) / np.maximum(total - count, 1)
    rate = wrong / np.maximum(count, 1)
    return (count <= LARGEST_SHARE * total) & (rate >= RATIO * rest) & (rate >= rest + POINTS)


@dataclass
class Search:
    """Candidates of one half, one after the other: the images of each are set aside before the next.

    Attributes:
        rules: of all images.
        half: where to look.
        left: bool (n,), images of the half that no candidate has taken.
    """

    rules: Rules
    half: Half
    left: np.ndarray = field(init=False)
    _counts: dict[int, tuple[np.ndarray, np.ndarray]] = field(init=False, default_factory=dict)
    _within: dict[int, Candidate | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.left = np.ones(len(self.half.rows), bool)
        self.strata = strata_of(self.half)
        # Rules are penalized by how many of their kind were looked through, classes included.
        self.tried = {1: 0, 2: 0, 3: 0}
        for actual in self._large_classes():
            count = self._count_class(actual)[1]
            for length in self.tried:
                self.tried[length] += int(
                    ((count >= self.half.smallest) & (self.rules.lengths == length)).sum()
                )

    def candidates(self) -> Iterator[Candidate]:
        """The best rule, the best of the images that are left, and so on until none is worth its penalty."""
        for _ in range(MAX_CANDIDATES):
            best = self._best()
            if best is None:
                return
            yield best
            self._remove(best)

    def members(self, candidate: Candidate) -> np.ndarray:
        """bool (n,): which images of the half meet a candidate's rule."""
        chosen = self.rules.members(candidate.number)[self.half.rows]
        return chosen if candidate.actual is None else chosen & (self.half.labels == candidate.actual)

    def _best(self) -> Candidate | None:
        for actual in self._large_classes():
            if actual not in self._within:
                self._within[actual] = self._best_within(actual)
        found = [candidate for candidate in (*self._within.values(), self._best_over_all()) if candidate]
        return max(found, key=lambda candidate: candidate.score, default=None)

    def _best_within(self, actual: int) -> Candidate | None:
        wrong, count = self._count_class(actual)
        chosen = self.left & (self.half.labels == actual)
        total, all_wrong = int(chosen.sum()), int(self.half.wrong[chosen].sum())
        rows = np.flatnonzero((count >= self.half.smallest) & raised(wrong, count, all_wrong, total))
        if not len(rows):
            return None
        inside = wrong[rows].astype(float), count[rows].astype(float)
        outside = log_likelihood(all_wrong - inside[0], total - inside[1])
        scores = scan_statistic(inside, outside, (np.array([all_wrong]), np.array([total])))
        return self._pick(rows, scores, actual, self.tried)

    def _best_over_all(self) -> Candidate | None:
        parts = [self._count_stratum(stratum) for stratum in range(self.strata.max(initial=0) + 1)]
        wrong, count = (np.sum([part[place] for part in parts], axis=0) for place in (0, 1))
        total, all_wrong = int(self.left.sum()), int(self.half.wrong[self.left].sum())
        rows = np.flatnonzero((count >= self.half.smallest) & raised(wrong, count, all_wrong, total))
        if not len(rows):
            return None
        left = self.strata[self.left]
        errors = np.bincount(left, self.half.wrong[self.left], len(parts))
        images = np.bincount(left, None, len(parts))
        outside = np.zeros(len(rows))
        for stratum, part in enumerate(parts):
            outside += log_likelihood(errors[stratum] - part[0][rows], images[stratum] - part[1][rows])
        inside = wrong[rows].astype(float), count[rows].astype(float)
        tried = {length: int((self.rules.lengths == length).sum()) for length in self.tried}
        return self._pick(rows, scan_statistic(inside, outside, (errors, images)), None, tried)

    def _pick(
        self, rows: np.ndarray, scores: np.ndarray, actual: int | None, tried: dict[int, int]
    ) -> Candidate | None:
        """The best of some rules; of equal ones the shortest, which come first."""
        penalties = np.log([max(tried[length], 1) for length in sorted(tried)])
        scores = scores - penalties[self.rules.lengths[rows] - 1]
        best = int(scores.argmax())
        return Candidate(int(rows[best]), actual, float(scores[best])) if scores[best] > 0 else None

    def _remove(self, candidate: Candidate) -> None:
        gone = self.members(candidate) & self.left
        self.left &= ~gone
        for actual in np.unique(self.half.labels[gone]).tolist():
            self._within.pop(actual, None)
        for stratum in np.unique(self.strata[gone]).tolist():
            self._counts.pop(stratum, None)

    def _large_classes(self) -> list[int]:
        """Classes of which a part can be large enough."""
        sizes = np.bincount(self.half.labels, minlength=self.half.classes)
        return np.flatnonzero(LARGEST_SHARE * sizes >= self.half.smallest).tolist()

    def _count_class(self, actual: int) -> tuple[np.ndarray, np.ndarray]:
        if self.half.classes <= STRATA:  # then classes are the strata
            return self._count_stratum(actual)
        return self._count(self.left & (self.half.labels == actual))

    def _count_stratum(self, stratum: int) -> tuple[np.ndarray, np.ndarray]:
        if stratum not in self._counts:
            self._counts[stratum] = self._count(self.left & (self.strata == stratum))
        return self._counts[stratum]

    def _count(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Errors and images of each rule."""
        rows = self.half.rows
        return self.rules.counts(rows[chosen & self.half.wrong]), self.rules.counts(rows[chosen])


def strata_of(half: Half) -> np.ndarray:
    """Each image's class, or where there are many the group of equally hard classes that it is in."""
    if half.classes <= STRATA:
        return half.labels
    sizes = np.bincount(half.labels, minlength=half.classes)
    rates = np.bincount(half.labels, half.wrong, half.classes) / np.maximum(sizes, 1)
    order = np.argsort(rates, kind="stable")
    group = np.empty(half.classes, int)
    group[order] = np.minimum(np.cumsum(sizes[order]) * STRATA // max(sizes.sum(), 1), STRATA - 1)
    return group[half.labels]
