"""What a model gets wrong: which images, and which classes it takes for which."""

import numpy as np
import pandas as pd

from src.evaluation.predictions import Predictions
from src.evaluation.significance import accuracy_interval


def choose_mistakes(predictions: Predictions, count: int, order: str, seed: int) -> np.ndarray:
    """Indices of up to `count` images that were taken for something else.

    Args:
        predictions: of the whole test split.
        count: at most so many.
        order: `confident`, most confidently wrong first (equals by index); `index`; or `random`.
        seed: of the random order.
    """
    wrong = np.flatnonzero(~predictions.right)
    if order == "confident":
        wrong = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")]
    elif order == "random":
        wrong = np.random.default_rng(seed).permutation(wrong)
    return wrong[:count]


def confusion_matrix(predictions: Predictions) -> pd.DataFrame:
    """How often each class was taken for each: `schema.CONFUSION_MATRIX`, in the order of the classes."""
    size = len(predictions.classes)
    pairs, images = np.unique(predictions.actual * size + predictions.predicted, return_counts=True)
    names = np.array(predictions.classes, object)
    return pd.DataFrame(
        {"actual": names[pairs // size], "predicted": names[pairs % size], "images": images.astype(np.int64)}
    )


def class_accuracy(predictions: Predictions) -> pd.DataFrame:
    """How many of each class's images were recognized, with its 95% interval: `schema.CLASS_ACCURACY`."""
    size = len(predictions.classes)
    images = np.bincount(predictions.actual, minlength=size)
    right = np.bincount(predictions.actual[predictions.right], minlength=size)
    nothing = (np.nan, np.nan)  # about a class without images
    intervals = [
        accuracy_interval(int(r), int(n)) if n else nothing for r, n in zip(right, images, strict=True)
    ]
    return pd.DataFrame(
        {
            "class": np.array(predictions.classes, object),
            "accuracy": np.divide(right, images, out=np.full(size, np.nan), where=images > 0),
            "low": [low for low, _ in intervals],
            "high": [high for _, high in intervals],
            "images": images,
            "right": right,
        }
    )
