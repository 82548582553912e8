"""What the model said about every test image, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src import artifacts
from src.errors import InputError


@dataclass(frozen=True)
class Predictions:
    """A row an image of the test split, in its order.

    Attributes:
        actual: int64 (N,), positions in `classes`.
        probabilities: float64 (N, classes).
        classes: names.
    """

    actual: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]

    @property
    def predicted(self) -> np.ndarray:
        """int64 (N,): the most probable class."""
        return self.probabilities.argmax(1)

    @property
    def confidence(self) -> np.ndarray:
        """float64 (N,): the probability of the predicted class."""
        return self.probabilities.max(1)


def write(predictions: Predictions, path: Path = artifacts.PREDICTIONS) -> None:
    """Write index, actual, predicted, confidence and one probability a class."""
    columns = ["index", "actual", "predicted", "confidence", *predictions.classes]
    names = predictions.classes
    rows = []
    for index, (actual, predicted, probabilities) in enumerate(
        zip(predictions.actual, predictions.predicted, predictions.probabilities, strict=True)
    ):
        shown = [f"{p:.8g}" for p in probabilities]
        values = [index, names[actual], names[predicted], shown[predicted], *shown]
        rows.append(dict(zip(columns, values, strict=True)))
    artifacts.write_csv(path, rows, columns)


def read(classes: Sequence[str], count: int, path: Path = artifacts.PREDICTIONS) -> Predictions:
    """Read what `write` wrote.

    Args:
        classes: of the dataset.
        count: of its test images.
        path: the table.

    Raises:
        InputError: the file is missing, damaged or about other classes.
    """
    rows = artifacts.read_csv(path)
    try:
        if [int(row["index"]) for row in rows] != list(range(count)):
            raise ValueError(f"should have {count} rows")
        actual = np.array([classes.index(row["actual"]) for row in rows], np.int64)
        probabilities = np.array([[float(row[name]) for name in classes] for row in rows])
    except (KeyError, ValueError, TypeError) as error:
        about = ", ".join(classes)
        raise InputError(f"{path}: damaged, or not about {about} ({error}); {artifacts.REMEDY}") from error
    return Predictions(actual, probabilities, tuple(classes))


def choose_mistakes(predictions: Predictions, count: int, order: str, seed: int) -> np.ndarray:
    """Indices of up to `count` images that were taken for something else.

    Args:
        predictions: of the whole test split.
        count: at most so many.
        order: `confident`, most confidently wrong first (equals by index); `index`; or `random`.
        seed: of the random order.
    """
    wrong = np.flatnonzero(predictions.predicted != predictions.actual)
    if order == "confident":
        wrong = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")]
    elif order == "random":
        wrong = np.random.default_rng(seed).permutation(wrong)
    return wrong[:count]
