"""The figures about a model on the test split that follow from its predictions."""

import math
from typing import Any

import numpy as np
from sklearn.metrics import f1_score, recall_score, top_k_accuracy_score

from src.evaluation.mistakes import class_accuracy
from src.evaluation.predictions import Predictions
from src.evaluation.scores import calibration_error
from src.evaluation.significance import accuracy_interval

TOP = 5  # with more than twice as many classes, it is said how often the label is among so many answers


def measure(predictions: Predictions, unsure_below: float = 0.0) -> dict[str, Any]:
    """What `metrics/test.json` says, but for the loss, which takes logits.

    Args:
        predictions: of the whole test split.
        unsure_below: the probability below which the model counts as unsure; 0 if it is not known.

    Returns:
        `accuracy` with its 95% interval; `balanced_accuracy` and `macro_f1`, means over the classes that have
        images; with more than ten classes `top5_accuracy`; mean `confidence`; `calibration_error`;
        `false_rejection_rate`, the share of right answers that count as unsure, None where that is unknown;
        `per_class` accuracy, None for a class without images; all from 0 to 1. And `support`, the number of
        images of each class.
    """
    low, high = accuracy_interval(int(predictions.right.sum()), len(predictions.right))
    by_class = class_accuracy(predictions)
    probabilities = predictions.probabilities.astype(np.float64)
    return {
        "accuracy": float(predictions.right.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        **_averages(predictions),
        "confidence": float(predictions.confidence.mean(dtype=np.float64)),
        "calibration_error": calibration_error(probabilities, predictions.actual),
        "false_rejection_rate": _false_rejection_rate(predictions, unsure_below),
        "per_class": {
            name: None if math.isnan(accuracy) else accuracy
            for name, accuracy in zip(by_class["class"], by_class["accuracy"], strict=True)
        },
        "support": dict(zip(by_class["class"], by_class["images"].tolist(), strict=True)),
    }


def _averages(predictions: Predictions) -> dict[str, float]:
    actual, predicted = predictions.actual, predictions.predicted
    # Balanced accuracy is the mean recall; scikit-learn's own warns of answers that are nobody's label.
    over = {"labels": np.unique(actual), "average": "macro", "zero_division": 0.0}
    averages = {
        "balanced_accuracy": float(recall_score(actual, predicted, **over)),
        "macro_f1": float(f1_score(actual, predicted, **over)),
    }
    classes = len(predictions.classes)
    if classes > 2 * TOP:
        among = top_k_accuracy_score(actual, predictions.probabilities, k=TOP, labels=np.arange(classes))
        averages[f"top{TOP}_accuracy"] = float(among)
    return averages


def _false_rejection_rate(predictions: Predictions, unsure_below: float) -> float | None:
    sure_of = predictions.confidence[predictions.right]
    if unsure_below <= 0 or not len(sure_of):
        return None
    return float((sure_of < unsure_below).mean())
