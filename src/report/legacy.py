"""Runs that older versions made: their files are turned into what today's stages write.

Until 0.1, `data/predictions.csv` had a column for each class instead of `data/probabilities.npy` beside it;
label issues, confusions and intervals were not written; one heatmap check had another name.
"""

from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np

from src import artifacts, schema
from src.errors import InputError
from src.evaluation.mistakes import class_accuracy, confusion_matrix
from src.evaluation.predictions import Predictions, write_predictions

COLUMNS_BEFORE_CLASSES = 4  # index, actual, predicted, confidence
RENAMED_CHECKS = {"scrambled_correlation": "randomized_correlation"}


def outputs(lock: dict[str, Any]) -> dict[str, str]:
    """The MD5 of every output, by path, that a dvc.lock names."""
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", [])}


def is_legacy(outputs: Container[str]) -> bool:
    """Whether the run that has these outputs was made by an older version."""
    return artifacts.PROBABILITIES.as_posix() not in outputs


def upgrade(folder: Path) -> None:
    """Rewrite the files of such a run, in a folder of their own, as today's stages would have written them.

    Raises:
        InputError: the predictions are damaged.
    """
    # Here, because cleanlab and scikit-learn take a second each.
    from src.evaluation.label_issues import find_label_issues
    from src.evaluation.metrics import measure

    classes = artifacts.read_json(folder / artifacts.DATASET / "meta.json", "classes")["classes"]
    predictions = _read_wide_predictions(folder, classes)
    write_predictions(predictions, folder)
    schema.write_table(schema.CONFUSION_MATRIX, confusion_matrix(predictions), folder)
    schema.write_table(schema.CLASS_ACCURACY, class_accuracy(predictions), folder)
    schema.write_table(schema.LABEL_ISSUES, find_label_issues(predictions), folder)

    path = folder / artifacts.TEST_METRICS
    artifacts.write_json(path, measure(predictions) | artifacts.read_json(path))
    path = folder / artifacts.GRADCAM_METRICS
    if path.exists():
        layers = artifacts.read_json(path)
        for name, checks in layers.items():
            layers[name] = {RENAMED_CHECKS.get(key, key): value for key, value in checks.items()}
        artifacts.write_json(path, layers)


def _read_wide_predictions(folder: Path, classes: list[str]) -> Predictions:
    path = folder / artifacts.PREDICTIONS
    table = schema.read_texts(path)
    try:
        if list(table.columns[COLUMNS_BEFORE_CLASSES:]) != classes:
            raise ValueError("other columns")
        if table["index"].tolist() != [str(row) for row in range(len(table))]:
            raise ValueError("rows missing or out of order")
        position = {name: number for number, name in enumerate(classes)}
        actual = np.array([position[name] for name in table["actual"]], np.int64)
        probabilities = table[classes].to_numpy(object).astype(np.float64, order="C")
        if not np.isfinite(probabilities).all():
            raise ValueError("a probability is not a number")
    except (KeyError, ValueError) as error:
        about = ", ".join(classes)
        raise InputError(f"{path}: damaged, or not about {about} ({error}); {artifacts.REMEDY}") from error
    return Predictions.from_probabilities(actual, probabilities, classes)
