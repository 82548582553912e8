"""What a difference between two groups of runs means, in one sentence."""

from enum import StrEnum

from src.evaluation.significance import CONFIDENCE_LEVEL, SIGNIFICANCE_LEVEL
from src.report.two_way import POWER, ClassDifference, Difference

# One seed says nothing about how much accuracy changes from seed to seed. Two leave one degree of freedom:
# intervals of up to 13 standard errors to either side, and, against more seeds of the other side, up to 10%
# false alarms. Three keep them below 6%: `python -m benchmarks.false_alarms`.
MIN_SEEDS = 3


class Verdict(StrEnum):
    """Whether B does better than A."""

    HELPS = "helps"
    HURTS = "hurts"
    NO_EVIDENCE = "no evidence of a difference"
    TOO_FEW = "too few seeds to tell"


def verdict_of(difference: Difference) -> Verdict:
    """By the interval of the difference; none with fewer than `MIN_SEEDS` on a side."""
    return _verdict(difference, difference.p_value)


def verdict_of_class(change: ClassDifference) -> Verdict | None:
    """By the p-value that is adjusted for the number of classes; None of a class without images."""
    return _verdict(change.difference, change.p_value) if change.difference else None


def _verdict(difference: Difference, p_value: float | None) -> Verdict:
    if p_value is None or min(difference.a.seeds, difference.b.seeds) < MIN_SEEDS:
        return Verdict.TOO_FEW
    if p_value >= SIGNIFICANCE_LEVEL:
        return Verdict.NO_EVIDENCE
    return Verdict.HELPS if difference.value > 0 else Verdict.HURTS


def in_one_sentence(difference: Difference, a: str = "A", b: str = "B") -> str:
    """The verdict with its figures, for somebody who knows no statistics.

    Args:
        difference: of the sides.
        a, b: their names.
    """
    verdict = verdict_of(difference)
    observed = _observed(difference, a, b)
    if verdict == Verdict.TOO_FEW:
        return f"Too few seeds to tell: {observed}, but {_missing(difference, a, b)}."
    if verdict == Verdict.NO_EVIDENCE:
        power = ""
        if difference.smallest is not None:
            smallest = _points(difference.smallest)
            power = f"; a true difference of {smallest} would show in {POWER:.0%} of such comparisons"
        chance = "which other seeds or other test images could bring about by chance"
        return f"No evidence of a difference: {observed}, {chance}{power}."
    return f"{b} {verdict}: {observed}, more than other seeds or other test images would explain."


def _observed(difference: Difference, a: str, b: str) -> str:
    value = difference.value
    size = f"{_points(abs(value))} {'higher' if value > 0 else 'lower'} than" if value else "equal to"
    interval = ""
    if difference.interval:
        low, high = (f"{100 * end:+.2f}".replace("-", "−") for end in difference.interval)
        interval = f" ({CONFIDENCE_LEVEL:.0%} interval: {low} to {high})"
    return f"the mean accuracy of {b} is {size} that of {a}{interval}"


def _missing(difference: Difference, a: str, b: str) -> str:
    """Why there is no verdict."""
    seeds_a, seeds_b = difference.a.seeds, difference.b.seeds
    if min(seeds_a, seeds_b) < MIN_SEEDS:
        return (
            f"{a} has {seeds_a} and {b} {seeds_b}: it takes {MIN_SEEDS} on each side to see how much "
            "the seed alone changes"
        )
    return "nothing varies between seeds or images that would show how much of it is chance"


def _points(share: float) -> str:
    return f"{100 * share:.2f} points"
