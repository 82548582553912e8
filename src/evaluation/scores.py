"""Figures computed from logits or probabilities; numpy only."""

import numpy as np


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithms of the probabilities, float64 (N, classes); every row's exponentials sum to 1."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log p(label), in nats."""
    return float(-log_softmax(logits)[np.arange(len(labels)), labels].mean())


def accuracy(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Share of labels that agree, from 0 to 1."""
    return float((predicted == actual).mean())


def calibration_error(probabilities: np.ndarray, actual: np.ndarray, bins: int = 15) -> float:
    """How far confidence is from accuracy: expected calibration error, from 0 to 1.

    Images are put into `bins` of equal width by the probability of the predicted class; in each, mean
    confidence minus accuracy, as an absolute value, weighted by its number of images. Guo et al., "On
    Calibration of Modern Neural Networks", 2017, equation 5.

    Args:
        probabilities: float (N, classes).
        actual: int64 (N,).
        bins: 15 as in the paper.
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == actual
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, confidence, bins) - np.bincount(bin_of, right, bins)
    return float(np.abs(gaps).sum() / len(actual))
