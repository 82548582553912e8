"""Runs as `src.report.run.read_run` gives them, without a pipeline that made them."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from src.evaluation.label_issues import find_label_issues
from src.evaluation.metrics import measure
from src.evaluation.mistakes import class_accuracy, confusion_matrix
from src.evaluation.predictions import Predictions
from src.report.run import Run

CURVES = pd.DataFrame(
    {
        "epoch": [1, 2, 3],
        "lr": [0.1, 0.1, 0.05],
        "train_loss": [2.0, 1.0, 0.7],
        "train_accuracy": [0.5, 0.75, 0.8],
        "val_loss": [2.2, 1.1, 0.8],
        "val_accuracy": [0.4, 0.7, 0.8],
    }
)


def make_run(name: str, predictions: Predictions, **changes: Any) -> Run:
    """A run with these predictions, and with the tables and metrics that follow from them.

    Args:
        name: of the run.
        predictions: about images of 4×4 black pixels, if `changes` has no `images`.
        changes: other attributes of the run.
    """
    attributes = {
        "params": {},
        "test_data": ("images", "labels"),
        "images": np.zeros((len(predictions.actual), 4, 4, 3), np.uint8),
        "curves": CURVES,
        "metrics": measure(predictions) | {"loss": 0.5},
        "confusion_matrix": _as_read(confusion_matrix(predictions), predictions.classes),
        "class_accuracy": _as_read(class_accuracy(predictions), predictions.classes),
        "label_issues": _as_read(find_label_issues(predictions), predictions.classes),
        "heatmaps": None,
        "heatmap_layer": "",
    }
    return Run(name=name, predictions=predictions, **(attributes | changes))


CHECKS = {
    "deletion": 0.253,
    "deletion_random": 0.349,
    "insertion": 0.589,
    "insertion_random": 0.384,
    "randomized_correlation": 0.0678,
}


def made_up(name: str, seed: int, images: np.ndarray, labels: np.ndarray, classes: tuple) -> Run:
    """Of a model that is right about 94% of the images, more or less sure of it."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (len(labels), len(classes)))
    logits[np.arange(len(labels)), labels] += 3.4
    odd = np.arange(0, len(labels), 100)  # very sure of another class
    logits[odd, (labels[odd] + 1) % len(classes)] += 8
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    maps = rng.integers(0, 256, (len(labels), 4, 4)).astype(np.uint8)
    return make_run(
        name,
        Predictions.from_probabilities(labels, probabilities, classes),
        params={"dataset": "sample", "model": "fast", "seed": seed, "validation": 0.1},
        images=images,
        heatmaps=maps,
        heatmap_layer="layer3",
        heatmap_checks=CHECKS,
    )


# --- the user's own images


ODD = (
    "</script><b>x",
    "index",
    "1e5",
    "NA",
    "emoji 🐈",
    "\"quoted\" 'name'",
    "a very long name of a class",
    "x.y[0]",
)


def photographs(
    name: str, seed: int, count: int, classes: tuple[str, ...], side: int, files: list[str], source: str = ""
) -> Run:
    """Of a model that is right about every other image; pictures as hard to compress as photographs."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(classes)
    probabilities = rng.random((count, len(classes)), np.float32)
    probabilities[np.arange(0, count, 2), labels[::2]] = 30
    probabilities /= probabilities.sum(1, keepdims=True)
    predictions = Predictions.from_probabilities(labels, probabilities, classes)
    few = np.stack([np.asarray(Image.fromarray(p).resize((side, side))) for p in noise(side // 4)])
    return make_run(
        name,
        dataclasses.replace(predictions, files=np.array(files, object)),
        images=few[np.arange(count) % len(few)],
        contents={"test": np.array([hashlib.sha256(file.encode()).hexdigest() for file in files], object)},
        heatmaps=rng.integers(0, 256, (count, 28, 28)).astype(np.uint8),
        heatmap_layer="layer4",
        source=source,
    )


def noise(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, side, side, 3), np.uint8)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"{ODD[number % len(ODD)]} {number}" for number in range(count))


def _as_read(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Categorical classes and a new index, as `src.schema.read_table` has them."""
    named = [name for name in ("actual", "predicted", "class", "label", "suggested") if name in table]
    return table.reset_index(drop=True).astype(dict.fromkeys(named, pd.CategoricalDtype(list(classes))))
