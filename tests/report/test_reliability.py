import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from src.report.reliability import CHANGES, Reliability, expected_by_chance, image_changes, outcomes_of

RIGHT, WRONG, FIXED, BROKEN, FLAKY = Reliability


def of_counts(often: list[int], seeds: int) -> np.ndarray:
    """A table of bool (seeds, images) in which each image is right so often."""
    return np.arange(seeds)[:, None] < np.array(often)


@pytest.mark.parametrize(
    ("seeds", "outcomes"),
    [
        (
            (3, 3),
            {(0, 0): WRONG, (3, 3): RIGHT, (0, 3): FIXED, (1, 2): FIXED, (2, 1): BROKEN, (3, 0): BROKEN},
        ),
        ((3, 3), {(0, 1): FLAKY, (1, 1): FLAKY, (2, 2): FLAKY, (2, 3): FLAKY, (1, 0): FLAKY}),
        ((5, 5), {(1, 4): FIXED, (2, 5): FLAKY, (0, 3): FLAKY, (4, 1): BROKEN, (5, 2): FLAKY, (5, 5): RIGHT}),
        ((10, 10), {(1, 9): FIXED, (2, 9): FLAKY, (0, 8): FLAKY, (0, 10): FIXED}),
        ((3, 10), {(1, 9): FIXED, (1, 8): FLAKY, (2, 1): BROKEN, (3, 10): RIGHT, (3, 9): FLAKY}),
        # One exception of two would be no rule.
        ((2, 2), {(0, 2): FIXED, (1, 2): FLAKY, (1, 1): FLAKY, (2, 0): BROKEN, (2, 2): RIGHT, (0, 1): FLAKY}),
        ((1, 1), {(0, 1): FIXED, (1, 0): BROKEN, (1, 1): RIGHT, (0, 0): WRONG}),
        ((1, 3), {(0, 2): FIXED, (0, 3): FIXED, (0, 1): FLAKY, (1, 1): BROKEN, (1, 2): FLAKY}),
    ],
)
def test_what_became_of_an_image(seeds, outcomes):
    often_a, often_b = np.array(list(outcomes)).T
    assert outcomes_of(often_a, often_b, *seeds).tolist() == list(outcomes.values())
    found = image_changes(of_counts(often_a, seeds[0]), of_counts(often_b, seeds[1]))
    assert found.outcomes.tolist() == list(outcomes.values())
    assert sum(found.count(outcome) for outcome in Reliability) == len(outcomes)


def test_the_largest_change_comes_first():
    found = image_changes(of_counts([1, 0, 3, 0, 1], 3), of_counts([2, 2, 3, 3, 3], 3))
    assert found.indices(FIXED) == [3, 1, 4, 0]
    assert found.indices(RIGHT) == [2]
    assert found.indices(BROKEN) == []
    assert (found.right_a.tolist(), found.right_b.tolist()) == ([1, 0, 3, 0, 1], [2, 2, 3, 3, 3])


def difficulties(kind: str, rng) -> np.ndarray:
    """Share of all seeds that are right on each of 4,000 images; none of them a beta distribution."""
    if kind == "bimodal":
        hard = np.where(rng.random(4_000) < 0.6, rng.uniform(0.1, 0.9, 4_000), 0.02)
        return np.where(rng.random(4_000) < 0.85, 0.998, hard)
    if kind == "logits":
        return 1 / (1 + np.exp(-rng.normal(4.5, 2.6, 4_000)))
    return np.full(4_000, 0.8)


@pytest.mark.parametrize("kind", ["bimodal", "logits", "alike"])
@pytest.mark.parametrize("seeds", [(2, 2), (3, 3), (5, 5), (10, 10), (3, 10)])
def test_as_many_as_the_same_recipe_shows(kind, seeds):
    # 40 times A against A: on average, as many images are counted as were expected.
    rng = np.random.default_rng(0)
    chance = difficulties(kind, rng)
    counted = dict.fromkeys(CHANGES, 0.0)
    expected = dict.fromkeys(CHANGES, 0.0)
    for _ in range(40):
        better = rng.normal(0, 0.05, sum(seeds))[:, None] * chance * (1 - chance)  # seeds differ
        right = rng.random((sum(seeds), len(chance))) < chance + better
        found = image_changes(right[: seeds[0]], right[seeds[0] :])
        for change in CHANGES:
            counted[change] += found.count(change) / 40
            expected[change] += found.by_chance[change] / 40
    assert expected[FIXED] == pytest.approx(counted[FIXED], rel=0.15, abs=1)
    assert expected[BROKEN] == pytest.approx(counted[BROKEN], rel=0.15, abs=1)
    assert expected[FLAKY] == pytest.approx(counted[FLAKY], rel=0.05)


def test_what_is_really_fixed_does_not_count_as_chance():
    # Of 1,000 images, 100 are always wrong in A and always right in B, the others are always right.
    often_a, often_b = np.repeat([0, 3], [100, 900]), np.full(1_000, 3)
    assert expected_by_chance(often_a, often_b, 3, 3) == {FIXED: 0, BROKEN: 0, FLAKY: 0}
    assert image_changes(of_counts(often_a, 3), of_counts(often_b, 3)).count(FIXED) == 100


def test_once_more_by_integration():
    # Counts as of images whose p follows beta(2, 1/2), and what four and three other seeds make of those.
    seeds, images = (4, 3), 1_000_000
    often = [
        np.repeat(
            np.arange(n + 1), np.round(images * stats.betabinom.pmf(np.arange(n + 1), n, 2, 0.5)).astype(int)
        )
        for n in seeds
    ]
    found = expected_by_chance(often[0], often[1][: len(often[0])], *seeds)
    expected = dict.fromkeys(CHANGES, 0.0)
    for pair in itertools.product(range(5), range(4)):
        chance, _ = integrate.quad(
            lambda p, pair=pair: np.prod(stats.binom.pmf(pair, seeds, p)) * stats.beta.pdf(p, 2, 0.5), 0, 1
        )
        outcome = outcomes_of(np.array(pair[0]), np.array(pair[1]), *seeds).item()
        if outcome in expected:
            expected[Reliability(outcome)] += images * chance
    assert found == pytest.approx(expected, rel=1e-2)


def test_one_seed_shows_nothing_of_chance():
    rng = np.random.default_rng(0)
    right = rng.random((4, 500)) < 0.8
    assert image_changes(right[:1], right[1:2]).by_chance is None
    # Of a side with more seeds, it is known.
    found = image_changes(right[:1], right[1:])
    assert found.by_chance[FIXED] == pytest.approx(0.2 * (0.8**3 + 3 * 0.8**2 * 0.2) * 500, rel=0.15)


@pytest.mark.parametrize("often", [[0, 0], [3, 3], [0, 3]])
def test_seeds_that_agree_on_everything(often):
    found = image_changes(of_counts(often, 3), of_counts(often, 3))
    assert found.by_chance == {FIXED: 0, BROKEN: 0, FLAKY: 0}


def test_images_that_are_all_equally_hard():
    # Half right in every image: no spread between images at all, and no division by it.
    found = expected_by_chance(np.full(100, 1), np.full(100, 1), 2, 2)
    assert found[FIXED] == pytest.approx(100 / 16, rel=1e-2)
    assert found[FLAKY] == pytest.approx(100 * 12 / 16, rel=1e-2)
