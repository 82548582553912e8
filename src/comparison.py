"""Which mistakes one model makes and the other does not; numpy and statistics only."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from src import significance
from src.errors import InputError
from src.experiments import Experiment
from src.predictions import Predictions


class Kind(StrEnum):
    """What became of an image between the first model and the second."""

    RIGHT = "right"
    FIXED = "fixed"
    BROKEN = "broken"
    SAME = "same"  # wrong in both, the same answer
    DIFFERENT = "different"  # wrong in both, another answer


@dataclass(frozen=True)
class ClassChange:
    """A class of the test split, in numbers of its images."""

    name: str
    images: int
    right_a: int
    right_b: int
    fixed: int
    broken: int


@dataclass(frozen=True)
class Confusion:
    """How often images of class `actual` were taken for `predicted`, by each model."""

    actual: str
    predicted: str
    a: int
    b: int


@dataclass(frozen=True)
class Comparison:
    """Two models on the same images.

    Attributes:
        kinds: `Kind` (N,), of each image.
        accuracies: of both, 0–1.
        interval: confidence interval of the accuracies' difference, b less a.
        p_value: of McNemar's test.
        churn: share of images that got another answer, right or wrong; Milani Fard et al., "Launch and
            Iterate: Reducing Prediction Churn", 2016.
        classes: a row each, in the order of the dataset.
        confusions: those whose number differs, those that shrank most first.
        params: key to its values in both, where they differ; None where a key is missing.
    """

    a: Experiment
    b: Experiment
    kinds: np.ndarray
    accuracies: tuple[float, float]
    interval: tuple[float, float]
    p_value: float
    churn: float
    classes: list[ClassChange]
    confusions: list[Confusion]
    params: dict[str, tuple[object, object]]

    @property
    def difference(self) -> float:
        """Accuracy of b less that of a."""
        return self.accuracies[1] - self.accuracies[0]

    @property
    def negative_flips(self) -> float:
        """Share of images that were right and no longer are.

        Yan et al., "Positive-Congruent Training: Towards Regression-Free Model Updates", 2021.
        """
        return self.count(Kind.BROKEN) / len(self.kinds)

    def count(self, kind: Kind) -> int:
        """Number of images of that kind."""
        return int((self.kinds == kind).sum())

    def indices(self, kind: Kind) -> list[int]:
        """Positions of these images in the test split."""
        return np.flatnonzero(self.kinds == kind).tolist()


def compare(a: Experiment, b: Experiment) -> Comparison:
    """Compare two experiments image by image.

    Raises:
        InputError: they were not evaluated on the same images.
    """
    one, other = a.predictions, b.predictions
    if one.classes != other.classes:
        raise InputError(
            f"{a.name} and {b.name} know different classes: "
            f"{', '.join(one.classes)}; and {', '.join(other.classes)}"
        )
    if a.test_data != b.test_data:
        datasets = [f"{e.name} on {e.params.get('dataset')} ({len(e.images):,} images)" for e in (a, b)]
        raise InputError(f"evaluated on different test images: {' and '.join(datasets)}")
    right_a, right_b = one.predicted == one.actual, other.predicted == other.actual
    kinds = kinds_of(one, other)
    fixed, broken = kinds == Kind.FIXED, kinds == Kind.BROKEN
    classes = []
    for number, name in enumerate(one.classes):
        these = one.actual == number
        counts = (these, these & right_a, these & right_b, these & fixed, these & broken)
        classes.append(ClassChange(name, *(int(mask.sum()) for mask in counts)))
    keys = sorted(set(a.params) | set(b.params))
    return Comparison(
        a,
        b,
        kinds,
        (float(right_a.mean()), float(right_b.mean())),
        significance.difference_interval(int(fixed.sum()), int(broken.sum()), len(kinds)),
        significance.mcnemar(int(fixed.sum()), int(broken.sum())),
        float((one.predicted != other.predicted).mean()),
        classes,
        _confusions(one, other),
        {
            key: (a.params.get(key), b.params.get(key))
            for key in keys
            if a.params.get(key) != b.params.get(key)
        },
    )


def kinds_of(one: Predictions, other: Predictions) -> np.ndarray:
    """The `Kind` of each image, str (N,)."""
    right_a, right_b = one.predicted == one.actual, other.predicted == other.actual
    same = one.predicted == other.predicted
    conditions = [right_a & right_b, right_b, right_a, same]  # the first that holds
    return np.select(conditions, [Kind.RIGHT, Kind.FIXED, Kind.BROKEN, Kind.SAME], Kind.DIFFERENT)


def confusion_matrix(predictions: Predictions) -> np.ndarray:
    """How often each class (rows) was taken for each (columns), int64 (classes, classes)."""
    size = len(predictions.classes)
    matrix = np.zeros((size, size), np.int64)
    np.add.at(matrix, (predictions.actual, predictions.predicted), 1)
    return matrix


def _confusions(one: Predictions, other: Predictions) -> list[Confusion]:
    before, after = confusion_matrix(one), confusion_matrix(other)
    changed = np.argwhere((before != after) & ~np.eye(len(before), dtype=bool))
    found = [
        Confusion(one.classes[i], one.classes[j], int(before[i, j]), int(after[i, j])) for i, j in changed
    ]
    return sorted(found, key=lambda c: c.b - c.a)
