"""Images whose label the model's own probabilities make doubtful. Nothing is relabeled or left out."""

import warnings

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues as confident_learning

from src.evaluation.predictions import Predictions


def find_label_issues(predictions: Predictions) -> pd.DataFrame:
    """Labels that are likely to be wrong, if the model is right about how often classes are mixed up.

    Confident learning, as cleanlab does it: Northcutt, Jiang & Chuang, "Confident Learning: Estimating
    Uncertainty in Dataset Labels", 2021. A hint, not a verdict: of the 275 test labels of CIFAR-10 that it
    flagged in Northcutt, Athalye & Mueller, "Pervasive Label Errors in Test Sets Destabilize Machine Learning
    Benchmarks", 2021, people confirmed 54 as wrong.

    Args:
        predictions: about images that the model was not trained on.

    Returns:
        `schema.LABEL_ISSUES`, the least probable label first.
    """
    flagged = np.zeros(len(predictions.actual), bool)
    if len(np.unique(predictions.actual)) > 1:  # cleanlab refuses a single class
        with warnings.catch_warnings():
            # About a class with hardly an image: true and harmless.
            warnings.filterwarnings("ignore", "May not flag all")
            # One job: a process for each core would take longer than the computation.
            flagged = confident_learning(predictions.actual, predictions.probabilities, n_jobs=1)
    indices = np.flatnonzero(flagged)
    scores = predictions.actual_probability[indices]
    order = np.argsort(scores, kind="stable")
    names = np.array(predictions.classes, object)
    return pd.DataFrame(
        {
            "index": indices,
            "label": names[predictions.actual[indices]],
            "suggested": names[predictions.predicted[indices]],
            "score": scores,
        }
    ).iloc[order]
