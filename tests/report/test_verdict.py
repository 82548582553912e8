import numpy as np
import pytest

from src.report.two_way import difference_of, differences_by_class
from src.report.verdict import MIN_SEEDS, Verdict, in_one_sentence, verdict_of, verdict_of_class


def side(rng, accuracy, seeds, images=1_000) -> np.ndarray:
    """Exactly so accurate, but for an image or two a seed; on images of its own choice."""
    rights = np.round(accuracy * images) + rng.integers(-1, 2, seeds)
    return np.array([rng.permutation(images) < right for right in rights])


def compared(one, other, seeds=(3, 3)):
    rng = np.random.default_rng(0)
    return difference_of(side(rng, one, seeds[0]), side(rng, other, seeds[1]))


@pytest.mark.parametrize(
    ("sides", "verdict"),
    [
        ((0.80, 0.90), Verdict.HELPS),
        ((0.90, 0.80), Verdict.HURTS),
        ((0.85, 0.851), Verdict.NO_EVIDENCE),
    ],
)
def test_three_verdicts_from_three_seeds(sides, verdict):
    assert verdict_of(compared(*sides)) == verdict


@pytest.mark.parametrize("seeds", [(1, 1), (2, 2), (2, 10), (10, 2), (1, 10)])
def test_no_verdict_from_fewer_seeds(seeds):
    assert verdict_of(compared(0.5, 0.9, seeds)) == Verdict.TOO_FEW
    assert MIN_SEEDS == 3


def test_the_verdict_is_that_of_the_interval():
    for number in range(100):
        found = compared(0.85, 0.85 + 0.001 * (number - 50))
        low, high = found.interval
        expected = Verdict.HELPS if low > 0 else Verdict.HURTS if high < 0 else Verdict.NO_EVIDENCE
        assert verdict_of(found) == expected


def test_sentences():
    rng = np.random.default_rng(0)
    a, b = side(rng, 0.80, 3), side(rng, 0.90, 3)
    found = difference_of(a, b)
    low, high = (100 * end for end in found.interval)
    assert in_one_sentence(found, "base", "wider") == (
        f"wider helps: the mean accuracy of wider is {100 * found.value:.2f} points higher than that of base "
        f"(95% interval: +{low:.2f} to +{high:.2f}), more than other seeds or other test images would "
        "explain."
    )
    worse = in_one_sentence(difference_of(b, a))
    assert f"lower than that of A (95% interval: −{high:.2f} to −{low:.2f}), more than other" in worse
    assert worse.startswith("B hurts: the mean accuracy of B is ")
    even = difference_of(a, side(rng, 0.80, 3))
    assert in_one_sentence(even).startswith("No evidence of a difference: the mean accuracy of B is 0.")
    assert in_one_sentence(even).endswith(
        "which other seeds or other test images could bring about by chance; a true difference of "
        f"{100 * even.smallest:.2f} points would show in 80% of such comparisons."
    )
    few = in_one_sentence(difference_of(a[:1], b[:1]))
    assert few.startswith("Too few seeds to tell: the mean accuracy of B is ")
    assert few.endswith(
        "higher than that of A, but A has 1 and B 1: it takes 3 on each side to see how much the seed alone "
        "changes."
    )


def test_sentences_where_nothing_varies():
    right = np.ones((3, 4), bool)
    assert in_one_sentence(difference_of(right, right)) == (
        "No evidence of a difference: the mean accuracy of B is equal to that of A (95% interval: +0.00 to "
        "+0.00), which other seeds or other test images could bring about by chance."
    )
    assert in_one_sentence(difference_of(~right, right)) == (
        "Too few seeds to tell: the mean accuracy of B is 100.00 points higher than that of A, but nothing "
        "varies between seeds or images that would show how much of it is chance."
    )


def test_of_a_class_by_the_adjusted_p_value():
    # Ten classes alike, each with evidence that is not enough for one of ten.
    rng = np.random.default_rng(0)
    a, b = side(rng, 0.80, 3, 200), side(rng, 0.855, 3, 200)
    one = difference_of(a, b)
    assert 0.005 < one.p_value < 0.05
    labels = np.repeat(np.arange(10), 200)
    classes = differences_by_class(np.tile(a, 10), np.tile(b, 10), labels, list("abcdefghijk"))
    assert [verdict_of(change.difference) for change in classes[:10]] == [Verdict.HELPS] * 10
    assert [verdict_of_class(change) for change in classes] == [Verdict.NO_EVIDENCE] * 10 + [None]
