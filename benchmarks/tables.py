"""What it takes to write and to read the predictions of a large test split."""

import os
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from src import artifacts
from src.evaluation.predictions import Predictions, read_predictions, write_predictions


def measure(images: int, classes: int, rounds: int) -> dict[str, float]:
    """Seconds, medians over rounds, and megabytes on disk."""
    rng = np.random.default_rng(0)
    names = [f"class {number}" for number in range(classes)]
    probabilities = rng.random((images, classes), np.float32)
    probabilities /= probabilities.sum(1, keepdims=True)
    predictions = Predictions.from_probabilities(rng.integers(0, classes, images), probabilities, names)
    written, read = [], []
    # In the project, not in a temporary folder that may be memory.
    prefix = f"{artifacts.TEMPORARY_PREFIX}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=Path.cwd()) as folder:
        for _ in range(rounds):
            started = time.perf_counter()
            write_predictions(predictions, Path(folder))
            written.append(time.perf_counter() - started)
            started = time.perf_counter()
            read_predictions(names, images, Path(folder))
            read.append(time.perf_counter() - started)
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    return {"write_s": median(written), "read_s": median(read), "MB": size / 1e6}
