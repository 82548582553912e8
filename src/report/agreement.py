"""Whether an exported model says what the pipeline's own said, and how fast it is."""

import time
from collections.abc import Callable

import numpy as np

from src import artifacts
from src.data.images import Images
from src.errors import InputError
from src.evaluation.predictions import Predictions
from src.progress import bar

TOLERANCE = 1e-4  # between a probability of the file's and the table's
TIE = 1e-5  # classes whose probabilities are nearer to each other may change places: rounding decides
BATCH_SIZE = 64
TIMED = 3.0  # seconds that speed is measured for

Ask = Callable[[np.ndarray], np.ndarray]  # uint8 (N, size, size, 3) to float32 (N, classes)


def check(answer: Ask, original: Ask, images: Images, table: Predictions) -> str:
    """Ask the exported file about every test image.

    Args:
        answer: the file.
        original: the model that it was made of.
        images: the test images.
        table: what the pipeline said about them.

    Returns:
        How well they agree, in a line.

    Raises:
        InputError: an answer is another than the table's, or a probability is off by more than `TOLERANCE`.
    """
    differing: list[int] = []
    ties, largest = 0, 0.0
    with bar(total=len(images), desc="check", unit="image") as progress:
        for start in range(0, len(images), BATCH_SIZE):
            rows = slice(start, start + BATCH_SIZE)
            given, expected = answer(np.array(images[rows])), table.probabilities[rows]
            distance = np.abs(given - expected).max(1)
            predicted, place = table.predicted[rows], np.arange(len(given))
            other = given.argmax(1) != predicted
            tied = other & (expected[place, predicted] - expected[place, given.argmax(1)] < TIE)
            wrong = (other & ~tied) | ~(distance <= TOLERANCE)  # nan is not less either
            differing += (start + np.flatnonzero(wrong)).tolist()
            ties, largest = ties + int(tied.sum()), max(largest, float(distance.max()))
            progress.update(len(given))
    if differing:
        raise InputError(_explain(original, images, table, differing, largest))
    note = f", but for {ties} where two classes are as good as tied" if ties else ""
    return (
        f"answers are those of {artifacts.PREDICTIONS} on all {len(images):,} test images{note}; "
        f"probabilities differ by {largest:.1g} at most"
    )


def _explain(original: Ask, images: Images, table: Predictions, differing: list[int], largest: float) -> str:
    """Who is wrong: the file, or the table."""
    rows = np.array(differing[:BATCH_SIZE])
    off = np.abs(original(np.array(images[rows])) - table.probabilities[rows]).max()
    cause = (
        "the model agrees with the table, so the export is wrong: try the other format"
        if off <= TOLERANCE
        else f"so does {artifacts.TRAINED_MODEL} itself: the table is of another model or other settings; "
        "run `dvc repro` first"
    )
    return (
        f"not exported: the file differs from {artifacts.PREDICTIONS} on {len(differing):,} of "
        f"{len(images):,} test images (first: {differing[0]}), by up to {largest:.2g}; {cause}"
    )


def images_per_second(answer: Ask, images: Images) -> float:
    """How many test images are answered in a second, `BATCH_SIZE` at a time."""
    batch = np.array(images[:BATCH_SIZE])
    answer(batch)
    done, start = 0, time.perf_counter()
    while not done or time.perf_counter() - start < TIMED:
        answer(batch)
        done += len(batch)
    return done / (time.perf_counter() - start)
