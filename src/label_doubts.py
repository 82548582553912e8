"""Images whose label the model's own probabilities make doubtful. Nothing is relabelled or left out."""

import warnings

import numpy as np
from cleanlab.filter import find_label_issues


def doubtful_labels(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which labels are likely to be wrong, if the model is right about how often classes are mixed up.

    Confident learning, as cleanlab does it: Northcutt, Jiang & Chuang, "Confident Learning: Estimating
    Uncertainty in Dataset Labels", 2021. A hint, not a verdict: of the 275 test labels of CIFAR-10 that it
    doubted in Northcutt, Athalye & Mueller, "Pervasive Label Errors in Test Sets Destabilize Machine Learning
    Benchmarks", 2021, people rejected 54.

    Args:
        probabilities: float (N, classes), of images that the model was not trained on.
        labels: int64 (N,).

    Returns:
        bool (N,).
    """
    with warnings.catch_warnings():
        # Of a class with hardly an image: true and harmless.
        warnings.filterwarnings("ignore", "May not flag all")
        # One job: a process for each core would take longer than the computation.
        return find_label_issues(labels, probabilities, n_jobs=1)
