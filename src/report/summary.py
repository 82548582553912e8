"""The numbers of a page about one run or two, as the stages wrote them, arranged for charts and cards."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from src.report.comparison import Comparison, Outcome
from src.report.run import Run

MISTAKE = "mistake"  # the only outcome of image that a page about one run shows
MAX_PIXELS = 1_200 * 32 * 32  # in the gallery; the page stays below 3 MB
TOP_CONFUSIONS = 12
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


def top_confusions(run: Run) -> list[Confusion]:
    """The most frequent confusions."""
    table = run.confusion_matrix
    wrong = table[table["actual"].astype(str) != table["predicted"].astype(str)]
    top = wrong.sort_values("images", ascending=False, kind="stable")[:TOP_CONFUSIONS]
    return [(row["actual"], row["predicted"], row["images"]) for _, row in top.iterrows()]


def choose_images(runs: Sequence[Run], outcomes: np.ndarray, shown_outcomes: Sequence[str]) -> np.ndarray:
    """Indices of the images to show: all, or of each outcome those with the most confident mistakes."""
    wrongly_sure = np.max([run.predictions.confidence * ~run.predictions.right for run in runs], axis=0)
    order = np.argsort(-wrongly_sure, kind="stable")
    # The smallest group first, so that what it leaves free goes to the larger ones.
    groups = sorted((order[outcomes[order] == outcome] for outcome in shown_outcomes), key=len)
    height, width = runs[0].images.shape[1:3]
    room = max(MAX_PIXELS // (height * width), 1)
    chosen: list[np.ndarray] = []
    for number, group in enumerate(groups):
        chosen.append(group[: room // (len(groups) - number)])
        room -= len(chosen[-1])
    return np.sort(np.concatenate(chosen))


def gallery(run: Run, issues: np.ndarray, indices: np.ndarray) -> dict[str, Any]:
    """What the page's gallery knows about one model's answers to the images at `indices`, a list each."""
    predictions = run.predictions
    probabilities = np.round(PROBABILITY_SCALE * predictions.probabilities[indices].astype(np.float64))
    return {
        "predicted": predictions.predicted[indices].tolist(),
        "probabilities": probabilities.astype(int).tolist(),
        "labelIssues": issues[indices].astype(int).tolist(),
        "mapSize": None if run.heatmaps is None else run.heatmaps.shape[1:],
    }
