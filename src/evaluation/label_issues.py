"""Labels worth checking: the least probable ones, and those of pictures that have another label elsewhere.

Nothing is relabeled or left out.
"""

import numpy as np
import pandas as pd
from cleanlab.count import num_label_issues
from cleanlab.rank import get_label_quality_scores

from src.evaluation.calibration import calibrated, temperature
from src.evaluation.predictions import Predictions


def find_label_issues(
    predictions: Predictions, duplicates: pd.DataFrame | None = None, part: str = "test"
) -> pd.DataFrame:
    """Labels that are likely to be wrong. A hint, not a verdict: often it is the model that is wrong.

    First come pictures that are in the dataset under another label, too: one of the two is wrong. Then the
    mistakes whose labels have the lowest `label_quality`, as many as `estimated_errors` says.

    Args:
        predictions: about images that the model was not trained on.
        duplicates: `schema.DUPLICATES`; None where they are not known.
        part: which the images are of: `train` or `test`.

    Returns:
        `schema.LABEL_ISSUES`, the most doubtful first.
    """
    quality = label_quality(predictions)
    by_quality = np.argsort(quality, kind="stable")
    mistakes = by_quality[~predictions.right[by_quality]]
    elsewhere = np.full(len(quality), -1)
    if duplicates is not None:
        elsewhere = _labels_elsewhere(predictions, duplicates, part)
    conflicts = by_quality[elsewhere[by_quality] >= 0]
    doubted = mistakes[: estimated_errors(predictions)]
    indices = np.concatenate([conflicts, doubted[elsewhere[doubted] < 0]])
    suggested = np.where(elsewhere >= 0, elsewhere, predictions.predicted)
    names = np.array(predictions.classes, object)
    return pd.DataFrame(
        {
            "index": indices,
            "label": names[predictions.actual[indices]],
            "suggested": names[suggested[indices]],
            "score": quality[indices],
        }
    )


def label_quality(predictions: Predictions) -> np.ndarray:
    """How far to trust each label: float64 (N,), 0 to 1; the lower, the more doubtful.

    Cleanlab's default score, the probability that the model gives to the label, once the temperature has made
    the model as sure of itself as it may be by these very labels. `benchmarks.label_issues` compares the two.
    """
    probabilities = predictions.probabilities
    fitting = calibrated(probabilities, temperature(probabilities, predictions.actual))
    return get_label_quality_scores(predictions.actual, fitting)


def estimated_errors(predictions: Predictions) -> int:
    """How many of the labels are wrong, as confident learning has it.

    An image counts where the model gives another class at least the probability that it gives that class on
    average among the images labeled so: Northcutt, Jiang & Chuang, "Confident Learning: Estimating
    Uncertainty in Dataset Labels", 2021. The probabilities are taken as they are: calibrated ones, nearly all
    of them close to 0 or 1, make the estimate too high.
    """
    if len(np.unique(predictions.actual)) < 2:  # cleanlab refuses a single class
        return 0
    return int(num_label_issues(predictions.actual, predictions.probabilities))


def _labels_elsewhere(predictions: Predictions, duplicates: pd.DataFrame, part: str) -> np.ndarray:
    """What else an equal picture is called, most often: int64 (N,), positions of classes; -1: nothing."""
    position = {name: number for number, name in enumerate(predictions.classes)}
    row = {name: number for number, name in enumerate(predictions.files)}
    labels = np.full(len(predictions.actual), -1)
    for _, same in duplicates[duplicates["label_conflict"]].groupby("cluster", sort=False):
        listed = same[(same["part"] == part) & same["file"].isin(row)]
        for file, label in zip(listed["file"], listed["class"], strict=True):
            others = [name for name in same["class"] if name != label and name in position]
            if others:
                labels[row[file]] = position[max(others, key=others.count)]
    return labels
