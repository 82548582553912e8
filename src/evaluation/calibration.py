"""How sure a model may be: probabilities that fit how often it is right."""

import math

import numpy as np
from scipy.optimize import minimize_scalar

from src.evaluation.scores import cross_entropy, log_softmax

RANGE = (0.05, 20.0)  # of temperatures that are tried: where all is right, the best one would be 0


def temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature at which the labels are most probable: Guo et al., "On Calibration of Modern Neural
    Networks", 2017, section 4.2.

    Logits are divided by it. The logarithms of the probabilities serve as logits, which they are but for a
    constant in each row.

    Args:
        probabilities: float (N, classes).
        labels: int64 (N,).

    Returns:
        Above 1 for a model that is too sure of itself, below 1 for one that is not sure enough.
    """
    logits = _logits(probabilities)
    found = minimize_scalar(
        lambda log_t: cross_entropy(logits / math.exp(log_t), labels),
        bounds=np.log(RANGE),
        method="bounded",
    )
    return math.exp(found.x)


def calibrated(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """The probabilities at another temperature: float64 (N, classes); no order within a row changes."""
    return np.exp(log_softmax(_logits(probabilities) / temperature))


def _logits(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny, dtype=np.float64))
