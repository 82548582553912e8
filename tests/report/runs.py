"""Runs as `src.report.run.read_run` gives them, without a pipeline that made them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

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


def _as_read(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Categorical classes and a new index, as `src.schema.read_table` has them."""
    named = [name for name in ("actual", "predicted", "class", "label", "suggested") if name in table]
    return table.reset_index(drop=True).astype(dict.fromkeys(named, pd.CategoricalDtype(list(classes))))
