"""What became of blind spots from one run to another: matched by their images, never by their number."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.stats import binomtest, fisher_exact

from src.blindspots.files import BlindSpots, SpotFigures
from src.blindspots.search import is_far
from src.evaluation.significance import CONFIDENCE_LEVEL, SIGNIFICANCE_LEVEL, holm, mcnemar
from src.report.run import Run

RAISED = 2  # times the error rate elsewhere: below, a spot is none
SAME = 0.5  # Jaccard index of their images from which two spots are the same one


class Fate(StrEnum):
    """What became of a blind spot."""

    HEALED = "healed"
    UNCHANGED = "unchanged"
    WORSE = "worse"
    NEW = "new"


@dataclass(frozen=True)
class Count:
    """How many of some images are wrong."""

    wrong: int
    images: int

    @property
    def error(self) -> float:
        """The share that is wrong; 0 of no images."""
        return self.wrong / self.images if self.images else 0.0

    def __str__(self) -> str:
        return f"{self.wrong:,} of {self.images:,}"


@dataclass(frozen=True)
class FollowedSpot:
    """A blind spot of one side on the answers of both.

    Attributes:
        spot: its number among those of its run, from 1.
        side: `a` or `b`, whose it is.
        figures: as its run has them.
        verdict: what became of it from a to b.
        counts: wrong images of both, among those that confirmed the spot: the others helped to find it.
        rest: of both, the images that it is compared with.
        p_value: of a spot of `a` McNemar's, adjusted for the number of spots followed (Holm, 1979); of one of
            `b` Fisher's, that its images are no worse than others in `a`.
        high: upper end of the interval of `b`'s error rate on all of its images.
        same_as: number of the other side's spot with the most images in common, of `SAME` or more; or None.
    """

    spot: int
    side: str
    figures: SpotFigures
    verdict: Fate
    counts: tuple[Count, Count]
    rest: tuple[Count, Count]
    p_value: float
    high: float
    same_as: int | None

    @property
    def label(self) -> str:
        """The verdict, with what it leaves open."""
        if self.side == "b" and self.verdict == Fate.UNCHANGED:
            return f"{self.verdict} (not confirmed before)"
        fewer = self.counts[1].wrong < self.counts[0].wrong and self.p_value < SIGNIFICANCE_LEVEL
        return (
            f"{self.verdict} (fewer, not healed)"
            if self.verdict == Fate.UNCHANGED and fewer
            else self.verdict
        )

    def reason(self, a: str = "A", b: str = "B") -> str:
        """What the verdict rests on, in a sentence.

        Args:
            a, b: names of the sides.
        """
        (before, after), (rest_before, rest_after) = self.counts, self.rest
        if self.side == "b":
            elsewhere = f"{rest_before.error:.1%} and {rest_after.error:.1%} elsewhere"
            known = "" if self.verdict == Fate.NEW else f"; raised in {a}, too, though not confirmed there"
            return f"{before} wrong in {a}, {after.wrong:,} in {b} ({elsewhere}){known}"
        said = f"{before} wrong in {a}, {after.wrong:,} in {b} ({rest_after.error:.1%} elsewhere)"
        said += f", McNemar's p = {self.p_value:.2g}"
        if self.verdict == Fate.HEALED:
            return f"{said}; at most {self.high:.0%} in {b}"
        if self.verdict == Fate.UNCHANGED and self.p_value < SIGNIFICANCE_LEVEL:
            return f"{said}; fewer, but perhaps still {self.high:.0%} in {b}, too many to be called healed"
        return said

    def as_dict(self) -> dict:
        """For programs."""
        (a, b), (rest_a, rest_b) = self.counts, self.rest
        return {
            "spot": self.spot,
            "side": self.side,
            "verdict": str(self.verdict),
            "sentence": self.figures.sentence,
            "reason": self.reason(),
            "images": a.images,
            "wrong": {"a": a.wrong, "b": b.wrong},
            "error": {"a": a.error, "b": b.error},
            "rest_error": {"a": rest_a.error, "b": rest_b.error},
            "p_value": self.p_value,
            "high": self.high,
            "same_as": self.same_as,
        }


@dataclass(frozen=True)
class FollowUp:
    """The blind spots of two runs.

    Attributes:
        spots: those of `a`, then those of `b` that `a` doesn't have.
        missing: names of the runs in which blind spots were not looked for.
        lost: numbers of `a`'s spots that cannot be followed: none of the images that confirmed them is left.
    """

    spots: tuple[FollowedSpot, ...] = ()
    missing: tuple[str, ...] = ()
    lost: tuple[int, ...] = ()

    def by_verdict(self, verdict: Fate) -> list[FollowedSpot]:
        """Those with that verdict."""
        return [spot for spot in self.spots if spot.verdict == verdict]


def follow(a: Run, b: Run) -> FollowUp:
    """Follow the blind spots of two runs on the same images and labels.

    Of A's spots the images are frozen. One is healed if fewer of them are wrong in B (McNemar's test) and the
    error rate there is surely so close to that elsewhere that it would not be reported (`is_far`); worse if
    more are. A spot of B is new if A's error rate on its images is not raised.
    """
    one, other = a.blindspots, b.blindspots
    missing = tuple(run.name for run in (a, b) if run.blindspots is None)
    followed = _followed(a, b, one, matches(one, other)) if one else []
    found = _found(a, b, other, matches(other, one)) if other else []
    known = [spot.spot for spot in followed]
    lost = tuple(spot for spot in numbers_of(one) if spot not in known)
    return FollowUp((*followed, *found), missing, lost)


def is_raised(right: np.ndarray, inside: np.ndarray, rest: np.ndarray) -> bool:
    """Whether a model's error rate on some images is above that on the rest, and `RAISED` times it.

    Args:
        right: bool (N,), of the model.
        inside, rest: bool (N,), the images.
    """
    some, others = count(right, inside), count(right, rest)
    return _fisher(some, others) <= SIGNIFICANCE_LEVEL and some.error >= RAISED * others.error


def count(right: np.ndarray, images: np.ndarray) -> Count:
    """Of bool (N,) each."""
    return Count(int((~right[images]).sum()), int(images.sum()))


def images_of(blindspots: BlindSpots, spot: int, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Of a spot the images that confirmed it, and those to compare them with: bool (N,) each.

    These are the images outside of it, of its class if it has one, unless others are wrong more often.
    """
    size = len(run.predictions.actual)
    inside = _mask(blindspots.images_of(spot), size)
    rest = ~inside
    actual = blindspots.spots[spot - 1].actual
    if actual is not None:
        of_class = rest & (run.predictions.actual == run.predictions.classes.index(actual))
        if count(run.predictions.right, of_class).error >= count(run.predictions.right, rest).error:
            rest = of_class
    return _mask(blindspots.images_of(spot, confirming=True), size), rest


def _followed(a: Run, b: Run, spots: BlindSpots, same: dict[int, int]) -> list[FollowedSpot]:
    """The spots of `a`."""
    numbers = [spot for spot in numbers_of(spots) if len(spots.images_of(spot, confirming=True))]
    rights = a.predictions.right, b.predictions.right
    changes = []
    for spot in numbers:
        inside, _ = images_of(spots, spot, b)
        fixed, broken = inside & ~rights[0] & rights[1], inside & rights[0] & ~rights[1]
        changes.append((int(fixed.sum()), int(broken.sum())))
    followed = []
    p_values = holm([mcnemar(*change) for change in changes])
    for spot, (fixed, broken), p_value in zip(numbers, changes, p_values, strict=True):
        inside, rest = images_of(spots, spot, b)
        # All of its images: those that helped to find it were chosen for being wrong, so this is no too good.
        everything = count(rights[1], _mask(spots.images_of(spot), len(rights[1])))
        elsewhere = count(rights[1], rest)
        high = upper_limit(everything)
        verdict = Fate.UNCHANGED
        if p_value < SIGNIFICANCE_LEVEL and broken > fixed:
            verdict = Fate.WORSE
        elif p_value < SIGNIFICANCE_LEVEL and not is_far(high, elsewhere.error):
            verdict = Fate.HEALED
        counts = count(rights[0], inside), count(rights[1], inside)
        both = count(rights[0], rest), elsewhere
        figures = spots.spots[spot - 1]
        followed.append(
            FollowedSpot(spot, "a", figures, verdict, counts, both, p_value, high, same.get(spot))
        )
    return followed


def _found(a: Run, b: Run, spots: BlindSpots, same: dict[int, int]) -> list[FollowedSpot]:
    """The spots of `b` that `a` doesn't have."""
    found = []
    rights = a.predictions.right, b.predictions.right
    for spot in numbers_of(spots):
        inside, rest = images_of(spots, spot, a)
        if spot in same or not inside.any():
            continue
        counts = count(rights[0], inside), count(rights[1], inside)
        both = count(rights[0], rest), count(rights[1], rest)
        verdict = Fate.UNCHANGED if is_raised(rights[0], inside, rest) else Fate.NEW
        p_value, high = _fisher(counts[0], both[0]), upper_limit(counts[1])
        figures = spots.spots[spot - 1]
        found.append(FollowedSpot(spot, "b", figures, verdict, counts, both, p_value, high, None))
    return found


def matches(some: BlindSpots | None, others: BlindSpots | None) -> dict[int, int]:
    """To which of the other spots each of some belongs, if any: the one with the most images in common."""
    if some is None or others is None:
        return {}
    found = {}
    for spot in numbers_of(some):
        images = set(some.images_of(spot).tolist())
        shares = {
            other: jaccard(images, set(others.images_of(other).tolist())) for other in numbers_of(others)
        }
        best = max(shares, key=lambda other: shares[other], default=None)
        if best is not None and shares[best] >= SAME:
            found[spot] = best
    return found


def jaccard(some: set[int], others: set[int]) -> float:
    """Images that both have, as a share of those that one has; 0 of none."""
    return len(some & others) / max(len(some | others), 1)


def upper_limit(counted: Count) -> float:
    """Of the error rate; Clopper and Pearson, 1934."""
    if not counted.images:
        return 1.0
    interval = binomtest(counted.wrong, counted.images).proportion_ci(CONFIDENCE_LEVEL, method="exact")
    return float(interval.high)


def _fisher(some: Count, others: Count) -> float:
    """P-value of Fisher's exact test that some images are wrong more often than others."""
    table = [[counted.wrong, counted.images - counted.wrong] for counted in (some, others)]
    return float(fisher_exact(table, alternative="greater").pvalue)


def numbers_of(blindspots: BlindSpots | None) -> range:
    """Of its spots, from 1."""
    return range(1, len(blindspots.spots) + 1) if blindspots else range(0)


def _mask(positions: np.ndarray, size: int) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[positions] = True
    return mask
