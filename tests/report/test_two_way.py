import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from src.evaluation.significance import holm
from src.report.two_way import difference_of, differences_by_class, residual_variance, side_of


def table(*seeds: str) -> np.ndarray:
    """Right (1) or wrong (0), a row a seed."""
    return np.array([[mark == "1" for mark in seed] for seed in seeds])


def drawn(rng, seeds, images, seed_std=0.1, **chances) -> np.ndarray:
    chance = chances.get("chance", rng.random(images)) + rng.normal(0, seed_std, (seeds, 1))
    return rng.random((seeds, images)) < chance


# --- by hand

# Two seeds a side, three images.
#   A: 1 0 1   2/3        B: 0 0 0   0
#      1 0 0   1/3           0 1 1   2/3
#      1 0 ½   1/2           0 ½ ½   1/3
# B - A: -1, ½, 0; mean -1/6. Squares of the deviations: 25/36, 16/36, 1/36; variance 42/36/2;
# I = 42/72/3 = 7/36.
# s²_A = (1/3)²/2 = 1/18, /2 = 1/36. s²_B = (2/3)²/2 = 2/9, /2 = 4/36. S = 5/36.
# Residuals of A: first seed -1/6 (1 - 1 - 2/3 + 1/2), -1/6, 1/3; second the opposite. Squares: 2 × 6/36
# = 1/3; by (2 - 1)(3 - 1): 1/6; by 3 × 2: 1/36. Of B: 1/3, -1/6, -1/6 and the opposite: 1/36. T = 2/36.
# V = (7 + 5 - 2)/36 = 10/36.
# Degrees: 10² / (7²/2 + 1² + 4²) = 100/41.5.
A, B = table("101", "100"), table("000", "011")


def test_by_hand():
    found = difference_of(A, B)
    assert found.a.accuracies == pytest.approx((2 / 3, 1 / 3))
    assert (found.a.mean, found.b.mean) == pytest.approx((1 / 2, 1 / 3))
    assert (found.a.std, found.b.std) == pytest.approx((1 / math.sqrt(18), math.sqrt(2) / 3))
    assert (found.a.seeds, found.b.seeds, found.images) == (2, 2, 3)
    assert found.value == pytest.approx(-1 / 6)
    assert found.variance.images == pytest.approx(7 / 36)
    assert found.variance.seeds == pytest.approx((1 / 36, 4 / 36))
    assert found.variance.twice == pytest.approx(2 / 36)
    assert found.variance.total == pytest.approx(10 / 36)
    degrees = 100 / 41.5
    assert found.variance.degrees == pytest.approx(degrees)
    # t = (1/6) / √(10/36) = 1/√10. Of 2.41 degrees, 97.5% lie below 3.67 (two: 4.30; three: 3.18).
    t = stats.t(degrees).ppf(0.975)
    assert t == pytest.approx(3.67, abs=0.01)
    assert found.p_value == pytest.approx(2 * stats.t(degrees).sf(1 / math.sqrt(10)))
    error = math.sqrt(10) / 6
    assert found.interval == pytest.approx((-1 / 6 - t * error, -1 / 6 + t * error))
    assert found.smallest == pytest.approx((t + stats.t(degrees).ppf(0.8)) * error)
    # New seeds: 1/18 × 3/2 = 1/12 and 2/9 × 3/2 = 4/12; degrees 5² / (1² + 4²); t = -1/6 / √(5/12).
    assert found.b_beats_a == pytest.approx(stats.t(25 / 17).cdf(-1 / 6 / math.sqrt(5 / 12)))


def test_by_hand_where_what_is_counted_twice_is_more_than_a_part():
    # A: 1 ½ 0, seeds 2/3 and 1/3. B: 1 1 ½, seeds 1 and 2/3. B - A: 0 ½ ½, variance 1/12, I = 1/36.
    # s² = 1/18 of both, S = 2/36. Residuals as above: T = 2/36. I + S - T = 1/36, but S alone is 2/36.
    variance = difference_of(table("110", "100"), table("111", "110")).variance
    assert (variance.images, sum(variance.seeds), variance.twice) == pytest.approx((1 / 36, 2 / 36, 2 / 36))
    assert variance.total == pytest.approx(2 / 36)
    # Degrees: 2² / (1²/2 + 1² + 1²).
    assert variance.degrees == pytest.approx(4 / 2.5)


# --- once more, entry by entry


def by_loops(right_a, right_b) -> dict[str, float]:
    """All figures with fractions and nested loops."""
    images = right_a.shape[1]
    means, parts, twice, accuracies = [], [], Fraction(0), []
    for right in (right_a.tolist(), right_b.tolist()):
        n = len(right)
        of_seeds = [Fraction(sum(row), images) for row in right]
        of_images = [Fraction(sum(row[i] for row in right), n) for i in range(images)]
        mean = sum(of_seeds) / n
        residuals = sum(
            (right[s][i] - of_seeds[s] - of_images[i] + mean) ** 2 for s in range(n) for i in range(images)
        )
        twice += residuals / ((n - 1) * (images - 1)) / (n * images)
        parts.append(sum((x - mean) ** 2 for x in of_seeds) / (n - 1) / n)
        means.append(of_images)
        accuracies.append(mean)
    changes = [b - a for a, b in zip(*means, strict=True)]
    value = sum(changes) / images
    of_images = sum((change - value) ** 2 for change in changes) / (images - 1) / images
    total = max(of_images, sum(parts), of_images + sum(parts) - twice)
    n_a, n_b = len(right_a), len(right_b)
    welch = sum(parts) ** 2 / (parts[0] ** 2 / (n_a - 1) + parts[1] ** 2 / (n_b - 1))
    equal = Fraction(n_a + n_b, n_a * n_b) ** 2 / (
        Fraction(1, n_a**2 * (n_a - 1)) + Fraction(1, n_b**2 * (n_b - 1))
    )
    degrees = total**2 / (of_images**2 / (images - 1) + sum(parts) ** 2 / min(welch, equal))
    t = stats.t(float(degrees))
    error = math.sqrt(total)
    return {
        "value": float(value),
        "twice": float(twice),
        "total": float(total),
        "degrees": float(degrees),
        "low": float(value) - t.ppf(0.975) * error,
        "high": float(value) + t.ppf(0.975) * error,
        "p": 2 * t.sf(abs(float(value)) / error),
    }


@pytest.mark.parametrize("seeds", [(2, 2), (3, 3), (2, 5), (10, 3)])
@pytest.mark.parametrize("images", [2, 7, 40])
def test_once_more_entry_by_entry(seeds, images):
    rng = np.random.default_rng([*seeds, images])
    right_a, right_b = (drawn(rng, count, images) for count in seeds)
    found, expected = difference_of(right_a, right_b), by_loops(right_a, right_b)
    assert found.value == pytest.approx(expected["value"])
    assert found.variance.twice == pytest.approx(expected["twice"])
    assert found.variance.total == pytest.approx(expected["total"])
    assert found.variance.degrees == pytest.approx(expected["degrees"])
    assert found.interval == pytest.approx((expected["low"], expected["high"]))
    assert found.p_value == pytest.approx(expected["p"])


def test_exchanging_the_sides_changes_only_the_sign():
    rng = np.random.default_rng(0)
    right_a, right_b = drawn(rng, 3, 50), drawn(rng, 5, 50)
    one, other = difference_of(right_a, right_b), difference_of(right_b, right_a)
    assert other.value == pytest.approx(-one.value)
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))
    assert other.p_value == pytest.approx(one.p_value)
    assert other.b_beats_a == pytest.approx(1 - one.b_beats_a)


def test_one_seed_is_the_median():
    right = table("1000", "1110", "1100", "1111")
    assert side_of(right).median_seed == 2  # 1/4, 2/4, 3/4, 4/4: the lower of the middle two
    assert side_of(right[:3]).median_seed == 2
    assert side_of(right[:1]).median_seed == 0


# --- what the figures promise, in simulations


def test_the_variance_is_that_of_the_difference():
    # With effects of images, of seeds, and of both; what is counted twice would make it a third larger.
    rng = np.random.default_rng(0)
    found = []
    for _ in range(3_000):
        easy = rng.choice([0.15, 0.5, 0.85], 40)
        a = drawn(rng, 3, 40, 0.05, chance=easy)
        b = drawn(rng, 4, 40, 0.05, chance=np.where(rng.random(40) < 0.3, rng.permutation(easy), easy))
        found.append(difference_of(a, b))
    variance = np.var([one.value for one in found])
    parts = np.array([(d.variance.images, sum(d.variance.seeds), d.variance.twice) for d in found]).mean(0)
    assert parts[0] + parts[1] - parts[2] == pytest.approx(variance, rel=0.05)
    assert parts[0] + parts[1] > 1.25 * variance
    outside = np.mean([not d.interval[0] <= 0 <= d.interval[1] for d in found])
    assert 0.03 < outside < 0.06


def test_the_residual_is_what_a_toss_of_a_coin_leaves():
    rng = np.random.default_rng(0)
    assert residual_variance(rng.random((30, 4_000)) < 0.2) == pytest.approx(0.2 * 0.8, rel=0.02)
    assert residual_variance(table("111", "000")) == residual_variance(table("101", "101")) == 0


def test_the_chance_to_win_comes_true():
    # Of all the times it says about 70%, a new seed of B wins in about 70%.
    rng = np.random.default_rng(0)
    images = np.arange(2_000)
    said, won = [], []
    for _ in range(3_000):
        centers = 1_000, 1_000 + rng.uniform(-80, 80)
        (old_a, new_a), (old_b, new_b) = (
            np.split(np.round(rng.normal(center, 20, 4)), [3]) for center in centers
        )
        right_a, right_b = (images < old[:, None] for old in (old_a, old_b))
        said.append(difference_of(right_a, right_b).b_beats_a)
        won.append(new_b[0] > new_a[0])
    said, won = np.array(said), np.array(won)
    for low, high in itertools.pairwise((0, 0.2, 0.4, 0.6, 0.8, 1)):
        inside = (said >= low) & (said <= high)
        assert won[inside].mean() == pytest.approx(said[inside].mean(), abs=0.05), (low, high)


def test_the_smallest_difference_is_seen_in_four_of_five_tries():
    rng = np.random.default_rng(0)
    true = 0.0725
    found = [
        difference_of(drawn(rng, 5, 300, 0.02, chance=0.5), drawn(rng, 5, 300, 0.02, chance=0.5 + true))
        for _ in range(1_500)
    ]
    smallest = np.median([one.smallest for one in found])
    seen = np.mean([one.p_value < 0.05 for one in found])
    assert smallest == pytest.approx(true, rel=0.1)
    assert seen == pytest.approx(0.8, abs=0.05)


# --- little to go by


@pytest.mark.parametrize(
    ("a", "b"),
    [(table("110"), table("101")), (table("110"), table("101", "111")), (table("1", "0"), table("1", "1"))],
    ids=["a seed each", "a seed of A", "one image"],
)
def test_no_interval_from_one_of_anything(a, b):
    found = difference_of(a, b)
    assert found.value == pytest.approx(b.mean() - a.mean())
    unknown = (found.variance, found.interval, found.p_value, found.b_beats_a, found.smallest)
    assert unknown == (None,) * 5
    assert (found.a.std is None) == (len(a) == 1)


@pytest.mark.parametrize("marks", ["1111", "0000", "0110"])
def test_nothing_varies_and_nothing_differs(marks):
    found = difference_of(table(*[marks] * 3), table(*[marks] * 3))
    assert (found.value, found.interval, found.p_value) == (0, (0, 0), 1)
    assert (found.b_beats_a, found.smallest) == (0.5, None)
    assert (found.a.std, found.variance.total) == (0, 0)


def test_nothing_varies_and_yet_the_sides_differ():
    # Two images that A never and B always gets right: no p-value of 0 from two images.
    found = difference_of(table("00", "00", "00"), table("11", "11", "11"))
    assert (found.value, found.interval, found.p_value, found.smallest) == (1, None, None, None)
    assert found.b_beats_a == 1
    # Thirds have no exact floating-point numbers; that they are equal is seen all the same.
    thirds = table("100", "010", "001")
    assert difference_of(thirds, table("111", "111", "111")).p_value is None


def test_the_same_seeds_on_both_sides():
    right = drawn(np.random.default_rng(0), 3, 100)
    found = difference_of(right, right)
    assert (found.value, found.p_value, found.b_beats_a) == pytest.approx((0, 1, 0.5))
    assert found.variance.images == 0 < found.variance.total


# --- classes


def test_classes_one_by_one():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 3, 4], [40, 60, 30, 1])
    a, b = drawn(rng, 3, 131), drawn(rng, 3, 131)
    b[:, labels == 1] |= rng.random((3, 60)) < 0.9
    names = ["cat", "dog", "none", "frog", "one"]
    found = {change.name: change for change in differences_by_class(a, b, labels, names)}
    assert list(found) == names
    assert found["none"].difference is None
    assert found["none"].p_value is None
    assert found["one"].p_value is None
    for number, name in ((0, "cat"), (1, "dog"), (3, "frog")):
        assert found[name].difference == difference_of(a[:, labels == number], b[:, labels == number])
    p_values = [found[name].difference.p_value for name in ("cat", "dog", "frog")]
    # Three were tested, so three count.
    assert [found[name].p_value for name in ("cat", "dog", "frog")] == holm(p_values)
    assert found["dog"].p_value == pytest.approx(3 * min(p_values))
