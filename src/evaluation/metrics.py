"""The figures about a model on the test split that follow from its predictions."""

import math
from typing import Any

import numpy as np

from src.evaluation.mistakes import class_accuracy
from src.evaluation.predictions import Predictions
from src.evaluation.scores import calibration_error
from src.evaluation.significance import accuracy_interval


def measure(predictions: Predictions) -> dict[str, Any]:
    """What `metrics/test.json` says, but for the loss, which takes logits.

    Returns:
        `accuracy` with its 95% interval, mean `confidence`, `calibration_error`, and `per_class` accuracy,
        None for a class without images; all from 0 to 1.
    """
    low, high = accuracy_interval(int(predictions.right.sum()), len(predictions.right))
    by_class = class_accuracy(predictions)
    probabilities = predictions.probabilities.astype(np.float64)
    return {
        "accuracy": float(predictions.right.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "confidence": float(predictions.confidence.mean(dtype=np.float64)),
        "calibration_error": calibration_error(probabilities, predictions.actual),
        "per_class": {
            name: None if math.isnan(accuracy) else accuracy
            for name, accuracy in zip(by_class["class"], by_class["accuracy"], strict=True)
        },
    }
