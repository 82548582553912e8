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


def class_accuracy(predicted: np.ndarray, actual: np.ndarray, classes: int) -> list[float]:
    """Share of each class's images that were recognised (its recall); nan for a class without images."""
    return [
        accuracy(predicted[actual == c], actual[actual == c]) if (actual == c).any() else np.nan
        for c in range(classes)
    ]
