"""How often two groups of seeds seem to differ where they don't, and how often a true difference is seen.

`python -m benchmarks.false_alarms [--trials N]`. Right and wrong are drawn at random, as of models with 94%
accuracy. Images: all alike; or easy and hard, most right in almost every seed and a few in
almost none (beta distribution, two seeds differ on 4.8% of images); or easy and hard, and a fifth of them not
equally hard for both sides, although these are equally good. Seeds: none better than another; or a standard
deviation of 0.2 points beyond the chance of each image. Every trial draws new images and seeds.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logit
from tabulate import tabulate

from src.command import run_main
from src.evaluation.significance import SIGNIFICANCE_LEVEL
from src.report.two_way import Difference, difference_of

ACCURACY = 0.94
SEED_STD = 0.002  # of an accuracy, beyond the chance of each image
FIRM = 0.7  # parameters of the beta distribution, summed up: the smaller, the more images are easy or hard
REDRAWN = 0.2  # share of images that are not equally hard for both sides
IMAGES = (10_000, 500)
SEEDS = ((3, 3), (5, 5), (10, 10), (3, 10))  # of A and B
MOST = 10
DIFFERENCES = (0.0025, 0.005, 0.01)
DIFFICULTIES = ("all alike", "easy and hard", "differ by side")


@dataclass(frozen=True)
class Population:
    """What images and seeds are drawn from.

    Attributes:
        images: number of them in a trial.
        difficulty: one of `DIFFICULTIES`.
        seed_std: standard deviation of the seeds' accuracies beyond the chance of each image.
        difference: true difference in accuracy, B minus A.
    """

    images: int
    difficulty: str
    seed_std: float
    difference: float = 0.0

    def trials(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """P-values of `count` comparisons, (count, methods): those of `METHODS`."""
        shift = self._shift()
        return p_values([one_trial(*self._draw(rng, shift)) for _ in range(count)])

    def _draw(self, rng: np.random.Generator, shift: float) -> tuple[np.ndarray, np.ndarray]:
        """Right or wrong, bool (MOST, images), of both sides."""
        chances_a = self._chances(rng)
        chances_b = chances_a
        if self.difficulty == "differ by side":
            chances_b = np.where(rng.random(self.images) < REDRAWN, self._chances(rng), chances_a)
        if shift:
            chances_b = expit(logit(chances_b) + shift)
        return self._seeds(chances_a, rng), self._seeds(chances_b, rng)

    def _chances(self, rng: np.random.Generator) -> np.ndarray:
        """Share of all possible seeds that are right on each image."""
        if self.difficulty == "all alike":
            return np.full(self.images, ACCURACY)
        return rng.beta(ACCURACY * FIRM, (1 - ACCURACY) * FIRM, self.images).clip(1e-9, 1 - 1e-9)

    def _seeds(self, chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        # A seed that is better shifts the chance of each image where there is room: p (1 - p).
        room = chances * (1 - chances)
        luck = rng.normal(0, self.seed_std, (MOST, 1)).astype(np.float32) / np.float32(room.mean())
        chances_of_seeds = chances.astype(np.float32) + luck * room.astype(np.float32)
        return rng.random((MOST, self.images), np.float32) < chances_of_seeds

    def _shift(self) -> float:
        """Of the chances' logits, for the true difference."""
        if not self.difference:
            return 0.0
        many = Population(100_000, self.difficulty, 0)._chances(np.random.default_rng(0))
        target = many.mean() + self.difference
        return float(brentq(lambda shift: expit(logit(many) + shift).mean() - target, 0, 20))


def _name(method: str, seeds: tuple[int, int]) -> str:
    a, b = seeds
    return f"{method}, {a}" if a == b else f"{method}, {a} and {b}"


METHODS = [
    *(_name("ours", seeds) for seeds in SEEDS),
    "McNemar, 1",
    *(_name("t over images", (seeds, seeds)) for seeds in (3, MOST)),
    *(_name("t over seeds", (seeds, seeds)) for seeds in (3, MOST)),
]


@dataclass(frozen=True)
class Trial:
    """A comparison: ours with each number of `SEEDS`, and how many images the first seeds differ on."""

    ours: list[Difference]
    fixed: int
    broken: int


def one_trial(right_a: np.ndarray, right_b: np.ndarray) -> Trial:
    """Of bool (MOST, images)."""
    ours = [difference_of(right_a[:a], right_b[:b]) for a, b in SEEDS]
    return Trial(ours, int((right_b[0] > right_a[0]).sum()), int((right_a[0] > right_b[0]).sum()))


def p_values(trials: Sequence[Trial]) -> np.ndarray:
    """By each of `METHODS`, (trials, methods)."""
    columns: list = [[trial.ours[number].p_value for trial in trials] for number in range(len(SEEDS))]
    fixed, broken = np.array([(trial.fixed, trial.broken) for trial in trials]).T
    # The same as `mcnemar`, of all trials at once.
    columns.append(np.minimum(1, 2 * stats.binom.cdf(np.minimum(fixed, broken), fixed + broken, 0.5)))
    few_and_many = [[trial.ours[SEEDS.index((seeds, seeds))] for trial in trials] for seeds in (3, MOST)]
    for differences in few_and_many:
        t = [d.value / np.sqrt(d.variance.images) for d in differences if d.variance]
        columns.append(2 * stats.t.sf(np.abs(t), differences[0].images - 1))
    for differences in few_and_many:
        sides = [
            (np.array([side.mean for side in group]), np.array([side.std for side in group]), group[0].seeds)
            for group in ([d.a for d in differences], [d.b for d in differences])
        ]
        with np.errstate(divide="ignore", invalid="ignore"):  # seeds that all have the same accuracy
            columns.append(stats.ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False).pvalue)
    return np.array(columns, float).T


def false_alarms(trials: int) -> pd.DataFrame:
    """Share of comparisons without a true difference in which each method sees one."""
    rng = np.random.default_rng(0)
    rows = []
    for images in IMAGES:
        for difficulty in DIFFICULTIES:
            for seed_std in (0.0, SEED_STD):
                found = Population(images, difficulty, seed_std).trials(trials, rng) < SIGNIFICANCE_LEVEL
                names = {"images": f"{images:,}", "difficulty": difficulty, "seeds": f"±{100 * seed_std:.1f}"}
                rows.append({**names, **_shares(METHODS, found)})
    return pd.DataFrame(rows)


def power(trials: int) -> pd.DataFrame:
    """Share of comparisons in which ours sees a true difference, of seeds and images with all effects."""
    rng = np.random.default_rng(0)
    rows = []
    for images in IMAGES:
        for difference in DIFFERENCES:
            population = Population(images, DIFFICULTIES[-1], SEED_STD, difference)
            found = population.trials(trials, rng)[:, : len(SEEDS)] < SIGNIFICANCE_LEVEL
            names = {"images": f"{images:,}", "true difference": f"{100 * difference:.2f} points"}
            rows.append({**names, **_shares(METHODS[: len(SEEDS)], found)})
    return pd.DataFrame(rows)


def _shares(names: Sequence[str], found: np.ndarray) -> dict[str, str]:
    return {name: f"{share:.1%}" for name, share in zip(names, found.mean(0), strict=True)}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.false_alarms")
    parser.add_argument("--trials", type=int, default=2_000, help="comparisons a row (default: 2000)")
    options = parser.parse_args(arguments)
    for title, table in (("False alarms", false_alarms), ("Power", power)):
        print(f"{title}, {options.trials:,} comparisons a row; the numbers are seeds a side\n")
        print(tabulate(table(options.trials), headers="keys", showindex=False, tablefmt="github"), "\n")


if __name__ == "__main__":
    run_main("benchmarks", main)
