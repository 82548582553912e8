"""The numbers of a page about one run or two, as the stages wrote them, arranged for charts and cards."""

from collections.abc import Sequence
from itertools import islice, zip_longest
from typing import Any

import numpy as np

from src.report.comparison import Comparison, Outcome
from src.report.run import Run

MISTAKE = "mistake"  # the only outcome of image that a page about one run shows
MAX_IMAGES = 3_000  # in the gallery, if the page has room for so many
TOP_CONFUSIONS = 12
LISTED_CLASSES = 10  # whose probabilities the page knows, of each image and model: the most probable
PROBABILITY_SCALE = 10_000  # probabilities are integers, in such parts

Confusion = tuple[str, str, int]  # actual, predicted, images


def outcomes_of_images(runs: Sequence[Run], comparison: Comparison | None) -> np.ndarray:
    """Of each image, str (N,): `right`, or what kind of mistake it is."""
    if comparison:
        return comparison.outcomes
    return np.where(runs[0].predictions.right, Outcome.RIGHT, MISTAKE)


def label_issues(runs: Sequence[Run]) -> np.ndarray:
    """bool (runs, N): the labels that each run's model makes doubtful."""
    issues = np.zeros((len(runs), len(runs[0].images)), bool)
    for row, run in zip(issues, runs, strict=True):
        row[run.label_issues["index"].to_numpy()] = True
    return issues


def headline(run: Run) -> dict[str, Any]:
    """The numbers at the top of the page."""
    metrics = run.metrics
    right, images = int(run.class_accuracy["right"].sum()), int(run.class_accuracy["images"].sum())
    return {
        "right": right,
        "images": images,
        "accuracy": right / images,
        "interval": (metrics["accuracy_low"], metrics["accuracy_high"]),
        "confidence": metrics["confidence"],
        "calibration_error": metrics["calibration_error"],
        "loss": metrics.get("loss"),
    }


def curves(run: Run) -> list[dict[str, float]]:
    """One row per epoch."""
    return [{str(key): value for key, value in row.items()} for row in run.curves.to_dict("records")]


def classes(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Of each class: its images, how many of them each run recognized, and both ends of a line.

    The line is from one run's accuracy to the other's, or the confidence interval of the only one's.
    """
    tables = [run.class_accuracy for run in runs]
    ends = (
        (tables[0]["low"], tables[0]["high"]) if len(runs) == 1 else [table["accuracy"] for table in tables]
    )
    rows = []
    for number, images in enumerate(tables[0]["images"]):
        line = [end.iloc[number] for end in ends] if images else None
        right = [int(table["right"].iloc[number]) for table in tables]
        rows.append({"images": int(images), "right": right, "line": line})
    return rows


def top_confusions(run: Run, count: int = TOP_CONFUSIONS) -> list[Confusion]:
    """The most frequent confusions, up to `count`."""
    table = run.confusion_matrix
    wrong = table[table["actual"].astype(str) != table["predicted"].astype(str)]
    top = wrong.sort_values("images", ascending=False, kind="stable")[:count]
    return [(row["actual"], row["predicted"], row["images"]) for _, row in top.iterrows()]


def order_of_images(runs: Sequence[Run], outcomes: np.ndarray, shown_outcomes: Sequence[str]) -> list[int]:
    """Indices of the images worth showing, the most important first, at most MAX_IMAGES.

    Of each outcome in turn the most confident mistake that is left, so that a page that stops anywhere has as
    many of each, and all of those that are few.
    """
    wrongly_sure = np.max([run.predictions.confidence * ~run.predictions.right for run in runs], axis=0)
    order = np.argsort(-wrongly_sure, kind="stable")
    return in_turn([order[outcomes[order] == outcome].tolist() for outcome in shown_outcomes])


def in_turn(groups: Sequence[Sequence[int]]) -> list[int]:
    """The first of each group, then the second of each, and so on; at most MAX_IMAGES."""
    indices = (index for turn in zip_longest(*groups) for index in turn if index is not None)
    return list(islice(indices, MAX_IMAGES))


def listed_classes(runs: Sequence[Run], indices: np.ndarray) -> list[list[int]]:
    """Of each image at `indices`, the classes whose probabilities are told: the most probable, the label."""
    shape = (len(indices), len(runs[0].predictions.classes))
    listed = np.zeros(shape, bool)
    rows = np.arange(len(indices))[:, None]
    for run in runs:
        likely = np.argsort(-run.predictions.probabilities[indices], axis=1, kind="stable")
        listed[rows, likely[:, :LISTED_CLASSES]] = True
        listed[rows[:, 0], run.predictions.predicted[indices]] = True
    listed[rows[:, 0], runs[0].predictions.actual[indices]] = True
    return [np.flatnonzero(row).tolist() for row in listed]


def gallery(
    run: Run, issues: np.ndarray, indices: np.ndarray, listed: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """What the page's gallery knows about one model's answers to the images at `indices`, a list each."""
    predictions = run.predictions
    probabilities = [
        np.round(PROBABILITY_SCALE * predictions.probabilities[index, classes].astype(np.float64))
        for index, classes in zip(indices, listed, strict=True)
    ]
    return {
        "predicted": predictions.predicted[indices].tolist(),
        "probabilities": [row.astype(int).tolist() for row in probabilities],
        "labelIssues": issues[indices].astype(int).tolist(),
    }


def worst_first(classes: Sequence[dict[str, Any]]) -> list[int]:
    """Positions of classes, as `classes` has them: those recognized worst first, without images last.

    Of two runs, those whose share of recognized images changed most first.
    """

    def key(position: int) -> tuple[bool, float]:
        right, images = classes[position]["right"], classes[position]["images"]
        figure = -abs(right[-1] - right[0]) if len(right) > 1 else right[0]
        return images == 0, figure / max(images, 1)

    return sorted(range(len(classes)), key=key)
