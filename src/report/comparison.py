"""Which mistakes one model makes and the other does not."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from src.errors import InputError
from src.evaluation import significance
from src.evaluation.predictions import Predictions
from src.report.alignment import on_common_images, with_labels
from src.report.blindspots import FollowUp, follow
from src.report.run import Run


class Outcome(StrEnum):
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
class ConfusionChange:
    """How often images of class `actual` were taken for `predicted`, by each model."""

    actual: str
    predicted: str
    a: int
    b: int


@dataclass(frozen=True)
class Comparison:
    """Two models on the same images, by the same labels: those of `b`, where corrections have changed some.

    Attributes:
        a, b: the runs, as if both had been tested on these images and labels.
        outcomes: `Outcome` (N,), of each image.
        accuracies: of both, 0–1.
        interval: confidence interval of the accuracies' difference, b minus a.
        p_value: of McNemar's test.
        churn: share of images that got another answer, right or wrong; Milani Fard et al., "Launch and
            Iterate: Reducing Prediction Churn", 2016.
        classes: a row each, in the order of the dataset.
        confusions: those whose number differs, those that shrank most first.
        params: key to its values in both, where they differ; None where a key is missing.
        labels_changed: test images that have another label in one run than in the other.
        images_removed: test images that only one of the runs has, and that are left out here.
        by_labels_of_a: the same comparison by the other labels; None where they are equal.
        blindspots: what became of the blind spots.
    """

    a: Run
    b: Run
    outcomes: np.ndarray
    accuracies: tuple[float, float]
    interval: tuple[float, float]
    p_value: float
    churn: float
    classes: list[ClassChange]
    confusions: list[ConfusionChange]
    params: dict[str, tuple[object, object]]
    labels_changed: int = 0
    images_removed: int = 0
    by_labels_of_a: "Comparison | None" = None
    blindspots: FollowUp = field(default_factory=FollowUp)

    @property
    def difference(self) -> float:
        """Accuracy of b minus accuracy of a."""
        return self.accuracies[1] - self.accuracies[0]

    @property
    def images(self) -> int:
        """Number of images that both were tested on."""
        return len(self.outcomes)

    @property
    def negative_flips(self) -> float:
        """Share of images that were right and no longer are.

        Yan et al., "Positive-Congruent Training: Towards Regression-Free Model Updates", 2021.
        """
        return self.count(Outcome.BROKEN) / len(self.outcomes)

    def count(self, outcome: Outcome) -> int:
        """Number of images with that outcome."""
        return int((self.outcomes == outcome).sum())

    def indices(self, outcome: Outcome) -> list[int]:
        """Positions of these images in the test split."""
        return np.flatnonzero(self.outcomes == outcome).tolist()


def compare(a: Run, b: Run) -> Comparison:
    """Compare two runs image by image.

    Raises:
        InputError: they were not evaluated on the same images, apart from what corrections have removed.
    """
    check_classes(a, b)
    images = max(len(a.images), len(b.images))
    a, b = on_common_images(a, b)
    before, after = a.predictions.actual, b.predictions.actual
    changed = int((before != after).sum())
    relabeled = with_labels(a, after)
    return replace(
        _compare(relabeled, b),
        labels_changed=changed,
        images_removed=images - len(after),
        by_labels_of_a=_compare(a, with_labels(b, before)) if changed else None,
        blindspots=follow(relabeled, b),
    )


def _compare(a: Run, b: Run) -> Comparison:
    """Of runs on the same images and labels."""
    one, other = a.predictions, b.predictions
    outcomes = outcomes_of(one, other)
    fixed, broken = int((outcomes == Outcome.FIXED).sum()), int((outcomes == Outcome.BROKEN).sum())
    return Comparison(
        a,
        b,
        outcomes,
        (float(one.right.mean()), float(other.right.mean())),
        significance.difference_interval(fixed, broken, len(outcomes)),
        significance.mcnemar(fixed, broken),
        float((one.predicted != other.predicted).mean()),
        _class_changes(one, other, outcomes),
        _confusion_changes(a, b),
        differing_params(a, b),
    )


def check_classes(a: Run, b: Run) -> None:
    """Refuse runs about different classes.

    Raises:
        InputError: they are.
    """
    if a.predictions.classes != b.predictions.classes:
        raise InputError(
            f"{a.name} and {b.name} were trained on different classes: "
            f"{', '.join(a.predictions.classes)}; and {', '.join(b.predictions.classes)}"
        )


def outcomes_of(one: Predictions, other: Predictions) -> np.ndarray:
    """The `Outcome` of each image, str (N,)."""
    same = one.predicted == other.predicted
    conditions = [one.right & other.right, other.right, one.right, same]  # the first that holds
    return np.select(
        conditions, [Outcome.RIGHT, Outcome.FIXED, Outcome.BROKEN, Outcome.SAME], Outcome.DIFFERENT
    )


def _class_changes(one: Predictions, other: Predictions, outcomes: np.ndarray) -> list[ClassChange]:
    def count(mask: np.ndarray) -> list[int]:
        return np.bincount(one.actual[mask], minlength=len(one.classes)).tolist()

    masks = (
        np.ones_like(one.right),
        one.right,
        other.right,
        outcomes == Outcome.FIXED,
        outcomes == Outcome.BROKEN,
    )
    return [ClassChange(*row) for row in zip(one.classes, *map(count, masks), strict=True)]


def _confusion_changes(a: Run, b: Run) -> list[ConfusionChange]:
    before, after = a.confusions(), b.confusions()
    changed = np.argwhere((before != after) & ~np.eye(len(before), dtype=bool))
    names = a.predictions.classes
    changes = [ConfusionChange(names[i], names[j], int(before[i, j]), int(after[i, j])) for i, j in changed]
    return sorted(changes, key=lambda change: change.b - change.a)


def differing_params(a: Run, b: Run) -> dict[str, tuple[object, object]]:
    """Key to its values in both, where they differ; None where a key is missing."""
    keys = sorted(set(a.params) | set(b.params))
    values = {key: (a.params.get(key), b.params.get(key)) for key in keys}
    return {key: (one, other) for key, (one, other) in values.items() if one != other}
