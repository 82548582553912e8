"""Images whose label is doubtful: by the model's own probabilities, or because the same picture has another.

Nothing is relabeled or left out.
"""

import warnings

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues as confident_learning

from src.evaluation.predictions import Predictions


def find_label_issues(predictions: Predictions, duplicates: pd.DataFrame | None = None) -> pd.DataFrame:
    """Labels that are likely to be wrong.

    Either the model says so, if it is right about how often classes are mixed up: confident learning, as
    cleanlab does it (Northcutt, Jiang & Chuang, "Confident Learning: Estimating Uncertainty in Dataset
    Labels", 2021). A hint, not a verdict: of the 275 test labels of CIFAR-10 that it flagged in Northcutt,
    Athalye & Mueller, "Pervasive Label Errors in Test Sets Destabilize Machine Learning Benchmarks", 2021,
    people confirmed 54 as wrong. Or the very same picture is somewhere in the dataset as something else.

    Args:
        predictions: about images that the model was not trained on.
        duplicates: `schema.DUPLICATES`; None where they are not known.

    Returns:
        `schema.LABEL_ISSUES`, the least probable label first.
    """
    suggested = np.where(_flagged(predictions), predictions.predicted, -1)
    if duplicates is not None:
        elsewhere = _labels_elsewhere(predictions, duplicates)
        suggested = np.where(elsewhere >= 0, elsewhere, suggested)
    indices = np.flatnonzero(suggested >= 0)
    scores = predictions.actual_probability[indices]
    order = np.argsort(scores, kind="stable")
    names = np.array(predictions.classes, object)
    return pd.DataFrame(
        {
            "index": indices,
            "label": names[predictions.actual[indices]],
            "suggested": names[suggested[indices]],
            "score": scores,
        }
    ).iloc[order]


def _flagged(predictions: Predictions) -> np.ndarray:
    """By the model: bool (N,)."""
    if len(np.unique(predictions.actual)) < 2:  # cleanlab refuses a single class
        return np.zeros(len(predictions.actual), bool)
    with warnings.catch_warnings():
        # About a class with hardly an image: true and harmless.
        warnings.filterwarnings("ignore", "May not flag all")
        # One job: a process for each core would take longer than the computation.
        return confident_learning(predictions.actual, predictions.probabilities, n_jobs=1)


def _labels_elsewhere(predictions: Predictions, duplicates: pd.DataFrame) -> np.ndarray:
    """What else an equal picture is called, most often: int64 (N,), positions of classes; -1: nothing."""
    position = {name: number for number, name in enumerate(predictions.classes)}
    row = {name: number for number, name in enumerate(predictions.files)}
    labels = np.full(len(predictions.actual), -1)
    for _, same in duplicates[duplicates["label_conflict"]].groupby("cluster", sort=False):
        tested = same[(same["part"] == "test") & same["file"].isin(row)]
        for file, label in zip(tested["file"], tested["class"], strict=True):
            others = [name for name in same["class"] if name != label and name in position]
            if others:
                labels[row[file]] = position[max(others, key=others.count)]
    return labels
