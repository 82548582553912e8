"""What the model said about every test image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from src import artifacts, schema
from src.errors import InputError


@dataclass(frozen=True)
class Predictions:
    """The answers, in the order of the test split.

    Attributes:
        actual: int64 (N,), positions in `classes`.
        predicted: int64 (N,), the most probable class of each.
        probabilities: float32 (N, classes).
        classes: names.
        files: text (N,), the images' files; empty where there are none.
    """

    actual: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]
    files: np.ndarray

    @classmethod
    def from_probabilities(
        cls,
        actual: np.ndarray,
        probabilities: np.ndarray,
        classes: Sequence[str],
        files: Sequence[str] | None = None,
    ) -> "Predictions":
        """Predictions from float (N, classes); `files` is None for images without files."""
        names = np.full(len(actual), "", object) if files is None else np.array(files, object)
        return cls(actual, probabilities.argmax(1), probabilities.astype(np.float32), tuple(classes), names)

    @property
    def confidence(self) -> np.ndarray:
        """float32 (N,): the probability of the predicted class."""
        return self.probabilities[np.arange(len(self.predicted)), self.predicted]

    @property
    def actual_probability(self) -> np.ndarray:
        """float32 (N,): the probability of the label."""
        return self.probabilities[np.arange(len(self.actual)), self.actual]

    @property
    def right(self) -> np.ndarray:
        """bool (N,): whether the answer is the label."""
        return self.predicted == self.actual

    def frame(self) -> pd.DataFrame:
        """One row an image, as `schema.PREDICTIONS` has it."""
        names = np.array(self.classes, object)
        return pd.DataFrame(
            {
                "index": np.arange(len(self.actual)),
                "file": self.files,
                "actual": names[self.actual],
                "predicted": names[self.predicted],
                "confidence": self.confidence,
            }
        )


def write_predictions(predictions: Predictions, folder: Path = Path()) -> None:
    """Write the table of answers, and the probabilities as an array.

    Not as columns: a class may have any name, and 1,000 classes of 50,000 images would be 600 MB of text.
    """
    schema.write_table(schema.PREDICTIONS, predictions.frame(), folder)
    artifacts.write_array(folder / artifacts.PROBABILITIES, predictions.probabilities)


def read_predictions(classes: Sequence[str], count: int, folder: Path = Path()) -> Predictions:
    """Read what `write_predictions` wrote.

    Args:
        classes: of the dataset.
        count: of its test images.
        folder: the project's.

    Raises:
        InputError: a file is missing, damaged, or about other classes or another number of images.
    """
    table = schema.read_table(schema.PREDICTIONS, classes, folder)
    if table["index"].tolist() != list(range(count)):
        path = folder / artifacts.PREDICTIONS
        raise InputError(f"{path}: damaged (should have {count} rows, in order); {artifacts.REMEDY}")
    shape = (count, len(classes))
    return Predictions(
        table["actual"].cat.codes.to_numpy(np.int64),
        table["predicted"].cat.codes.to_numpy(np.int64),
        np.array(artifacts.read_array(folder / artifacts.PROBABILITIES, np.float32, shape)),
        tuple(classes),
        table["file"].to_numpy(object),
    )
