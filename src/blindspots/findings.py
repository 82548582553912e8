"""Blind spots: groups of images that a person can describe and that the model gets wrong far more often."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from src.blindspots.confirmation import (
    Comparison,
    compare,
    interval,
    p_value,
    selected_level,
    smallest_detectable,
)
from src.blindspots.rules import Rule, Rules, enumerate_rules
from src.blindspots.search import LARGEST_SHARE, SMALLEST, Candidate, Half, Search, is_far, smallest_group
from src.blindspots.tree import candidates_of
from src.evaluation.significance import SIGNIFICANCE_LEVEL, holm

SAME = 0.5  # Jaccard index of two groups' images, from which on they are one spot
CONTAINED = 0.8  # share of a group's images that lie in another
NOMINAL_TESTS = 10  # for `Detectable`, where nothing was worth a test


@dataclass(frozen=True)
class Spot:
    """A confirmed blind spot. All figures are of the half that confirmed it, which it was not found on.

    Attributes:
        rule: what its images have in common.
        members: bool (N,), of all test images.
        confirming: bool (N,), members in the half that confirmed.
        images, wrong: how many those are, and how many of them are wrong.
        error, low, high: their error rate with its confidence interval (see `selected_level`).
        rest_images, rest_wrong, rest_error: the rest of the class in that half, or of all images for a rule
            of any class.
        p: of Fisher's exact test, adjusted for all tests of both directions.
        found_by: `attributes` or `embeddings`.
    """

    rule: Rule
    members: np.ndarray
    confirming: np.ndarray
    images: int
    wrong: int
    error: float
    low: float
    high: float
    rest_images: int
    rest_wrong: int
    rest_error: float
    p: float
    found_by: str

    @property
    def extra(self) -> float:
        """Mistakes on all members beyond those that the rest's error rate would make."""
        return float(self.members.sum() * (self.error - self.rest_error))


@dataclass(frozen=True)
class Detectable:
    """Images that a group over all classes must have, in the whole test part, for it to be confirmed.

    Attributes:
        all_wrong: if it has nothing but errors; None: none would be.
        half_wrong: if half of it is wrong.
    """

    all_wrong: int | None
    half_wrong: int | None


@dataclass(frozen=True)
class Findings:
    """What was found and held.

    Attributes:
        spots: confirmed, the one with the most extra mistakes first.
        tested: how many rules were tested, in both directions together.
        half: int8 (N,), the half of each image, 0 or 1.
        detectable: how large a group must be.
    """

    spots: list[Spot]
    tested: int
    half: np.ndarray
    detectable: Detectable


@dataclass(frozen=True)
class _Test:
    """A rule of one half, tested on the other."""

    rule: Rule
    members: np.ndarray
    confirming: np.ndarray  # bool (N,): members in the other half
    comparison: Comparison
    p: float
    found_by: str


def find_blindspots(
    attributes: pd.DataFrame,
    embeddings: np.ndarray,
    labels: np.ndarray,
    right: np.ndarray,
    classes: Sequence[str],
    seed: int,
) -> Findings:
    """Find blind spots on one half of the test images, confirm them on the other; and the other way round.

    Args:
        attributes: a row an image, a column an attribute with its word, as `Words.of` returns them.
        embeddings: (N, features), what the last linear layer gets.
        labels: int (N,), codes of the actual classes.
        right: bool (N,), where the prediction is.
        classes: names.
        seed: of the division into halves, which is even within every class.
    """
    labels, wrong = np.asarray(labels).astype(int), ~np.asarray(right, bool)
    half = halves(labels, seed)
    tests: list[_Test] = []
    if len(labels) and 0 < wrong.sum() < len(labels):
        for discovery in (0, 1):
            rows = np.flatnonzero(half == discovery)
            found = Half(rows, labels[rows], wrong[rows], len(classes))
            if len(rows) >= 2 * found.smallest:
                rules = enumerate_rules(attributes, rows, found.smallest)
                tests += _tests(rules, found, embeddings, labels, wrong, half != discovery, classes)
    return Findings(_confirmed(tests, wrong), len(tests), half, _detectable(half, wrong, len(tests)))


def halves(labels: np.ndarray, seed: int) -> np.ndarray:
    """int8 (N,), 0 or 1 at random: of each class as many as can be."""
    half = np.empty(len(labels), np.int8)
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    half[order] = (np.arange(len(labels)) + generator.integers(2)) % 2
    return half


def _candidates(rules: Rules, half: Half, embeddings: np.ndarray) -> Iterator[tuple[Candidate, str]]:
    if len(rules):
        for candidate in Search(rules, half).candidates():
            yield candidate, "attributes"
        for candidate in candidates_of(embeddings, rules, half):
            yield candidate, "embeddings"


def _tests(
    rules: Rules,
    half: Half,
    embeddings: np.ndarray,
    labels: np.ndarray,
    wrong: np.ndarray,
    other: np.ndarray,
    classes: Sequence[str],
) -> list[_Test]:
    """The candidates of one half, tested on the images in `other`, bool (N,).

    A later candidate stands out among the images that earlier ones left. So it is tested twice, on all its
    images and without those of the earlier ones, and has to hold both times: the larger p-value counts.
    """
    tests: list[_Test] = []
    taken = np.zeros(len(labels), bool)
    for candidate, found_by in _candidates(rules, half, embeddings):
        scope = np.ones(len(labels), bool) if candidate.actual is None else labels == candidate.actual
        members = rules.members(candidate.number) & scope
        found = members[half.rows]
        if any(_jaccard(found, test.members[half.rows]) >= SAME for test in tests):
            continue  # the same images again, as they often come from the tree
        group = scope & other
        p = p_value(members & group, group, wrong, labels)
        if (members & taken).any():
            fresh = group & ~taken
            p = max(p, p_value(members & fresh, fresh, wrong, labels))
        actual = None if candidate.actual is None else classes[candidate.actual]
        comparison = compare(members & group, group, wrong)
        rule = Rule(rules.conditions_of(candidate.number), actual)
        tests.append(_Test(rule, members, members & group, comparison, p, found_by))
        taken |= members
    return tests


def _confirmed(tests: list[_Test], wrong: np.ndarray) -> list[Spot]:
    """What holds at 5 % over all tests and is surely far above the rest; each group once."""
    adjusted = holm([test.p for test in tests])
    held = [row for row in zip(adjusted, tests, strict=True) if row[0] <= SIGNIFICANCE_LEVEL]
    held.sort(key=lambda row: (row[1].p, -row[1].comparison.images))
    distinct: list[tuple[float, _Test]] = []
    for p, test in held:
        if not any(_repeats(test, kept) for _, kept in distinct):
            distinct.append((p, test))
    level = selected_level(len(distinct), len(tests))
    spots = [_spot(test, p, level) for p, test in distinct]
    far = [spot for spot in spots if is_far(spot.low, spot.rest_error)]
    return sorted(_without_mixtures(far, wrong), key=lambda spot: -spot.extra)


def _without_mixtures(spots: list[Spot], wrong: np.ndarray) -> list[Spot]:
    """Without those that stand out only by images of spots with higher error rates; the lowest rate first."""
    kept = sorted(spots, key=lambda spot: spot.error)
    for spot in list(kept):
        higher = [other.members for other in kept if other.error > spot.error]
        own = np.logical_and.reduce([spot.confirming, *(~members for members in higher)])
        if higher and (own.sum() < SMALLEST or not is_far(wrong[own].mean(), spot.rest_error)):
            kept.remove(spot)
    return kept


def _repeats(test: _Test, kept: _Test) -> bool:
    """Whether a group is another one again, which is more certain, or a part of it."""
    shared = (test.members & kept.members).sum()
    return bool(shared >= CONTAINED * test.members.sum() or _jaccard(test.members, kept.members) >= SAME)


def _spot(test: _Test, p: float, level: float) -> Spot:
    figures = test.comparison
    low, high = interval(figures.wrong, figures.images, level)
    return Spot(
        rule=test.rule,
        members=test.members,
        confirming=test.confirming,
        images=figures.images,
        wrong=figures.wrong,
        error=figures.error,
        low=low,
        high=high,
        rest_images=figures.rest_images,
        rest_wrong=figures.rest_wrong,
        rest_error=figures.rest_error,
        p=p,
        found_by=test.found_by,
    )


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))


def _detectable(half: np.ndarray, wrong: np.ndarray, tested: int) -> Detectable:
    images = len(half) // 2
    limits = smallest_group(images), int(LARGEST_SHARE * images)
    error = float(wrong.mean()) if len(wrong) else 0.0
    found = [
        smallest_detectable(images, error, share, tested or NOMINAL_TESTS, *limits) for share in (1, 0.5)
    ]
    return Detectable(*(None if size is None else 2 * size for size in found))
