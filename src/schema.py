"""Every table that a stage hands on: its columns, their types and meaning; and reading that checks them."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from src import artifacts
from src.errors import InputError

# An integer is not negative: it counts something or is a position.
ColumnType = Literal["integer", "number", "number or empty", "true or false", "text", "class"]


@dataclass(frozen=True)
class Column:
    """What a column holds; a `class` is one of the dataset's names."""

    type: ColumnType
    meaning: str


@dataclass(frozen=True)
class TableSchema:
    """A CSV file with a header.

    Attributes:
        path: where it lies.
        columns: by name, in the order of the file.
        digits: significant digits that numbers are written with; None: all of them.
    """

    path: Path
    columns: dict[str, Column]
    digits: int | None = None


INDEX = Column("integer", "position of the image in the test split, from 0")
FILE = Column("text", "name of the image's file; empty where the dataset has no files")
ACTUAL = Column("class", "the label")
PREDICTED = Column("class", "what the model takes the image for")
CONFIDENCE = Column("number", "probability of the predicted class, 0 to 1")

TRAINING_CURVES = TableSchema(
    artifacts.TRAINING_CURVES,
    {
        "epoch": Column("integer", "from 1"),
        "lr": Column("number", "learning rate of the epoch's last step"),
        "train_loss": Column("number", "mean cross-entropy of the augmented training images, in nats"),
        "train_accuracy": Column("number", "0 to 1, of the same images"),
        "val_loss": Column("number", "mean cross-entropy of the validation images, in nats"),
        "val_accuracy": Column("number", "0 to 1, of the same images"),
    },
)
LR_RANGE = TableSchema(
    artifacts.LR_RANGE,
    {
        "lr": Column("number", "learning rate of a step"),
        "loss": Column("number or empty", "of the batch before that step; empty where the rate was given"),
        "smoothed": Column("number or empty", "mean over the losses at rates nearby"),
        "chosen": Column("number", "the rate that was chosen, the same in every row"),
    },
    digits=6,
)
PREDICTIONS = TableSchema(
    artifacts.PREDICTIONS,
    {
        "index": INDEX,
        "file": FILE,
        "actual": ACTUAL,
        "predicted": PREDICTED,
        "confidence": CONFIDENCE,
    },
    digits=8,
)
CONFUSION_MATRIX = TableSchema(
    artifacts.CONFUSION_MATRIX,
    {
        "actual": ACTUAL,
        "predicted": PREDICTED,
        "images": Column("integer", "how many; pairs without any have no row"),
    },
)
CONFUSION = TableSchema(artifacts.CONFUSION, {"actual": ACTUAL, "predicted": PREDICTED})
CLASS_ACCURACY = TableSchema(
    artifacts.CLASS_ACCURACY,
    {
        "class": Column("class", "one row for each, in the dataset's order"),
        "accuracy": Column("number or empty", "share of its images recognized; empty where it has none"),
        "low": Column("number or empty", "lower end of the 95% confidence interval"),
        "high": Column("number or empty", "upper end"),
        "images": Column("integer", "of this class in the test split"),
        "right": Column("integer", "how many of them were recognized"),
    },
)
LABEL_ISSUES = TableSchema(
    artifacts.LABEL_ISSUES,
    {
        "index": INDEX,
        "label": ACTUAL,
        "suggested": Column(
            "class", "what the model takes it for, or what the same picture is called elsewhere"
        ),
        "score": Column(
            "number",
            "probability of the label, 0 to 1, by the model at the temperature that fits the labels best; "
            "ascending, but pictures with another label elsewhere come first, whatever it is",
        ),
    },
    digits=8,
)
TRAIN_LABEL_ISSUES = TableSchema(
    artifacts.TRAIN_LABEL_ISSUES,
    {
        "index": Column("integer", "position of the image in the training split, from 0"),
        "file": FILE,
        **{name: LABEL_ISSUES.columns[name] for name in ("label", "suggested", "score")},
    },
    digits=8,
)
MISCLASSIFIED = TableSchema(
    artifacts.MISCLASSIFIED,
    {
        "index": INDEX,
        "file": FILE,
        "actual": ACTUAL,
        "predicted": PREDICTED,
        "confidence": CONFIDENCE,
        "actual_probability": Column("number", "probability of the actual class, 0 to 1"),
        "label_issue": Column("true or false", "whether it is in data/label_issues.csv"),
    },
    digits=8,
)
BLINDSPOTS = TableSchema(
    artifacts.BLINDSPOTS,
    {
        "spot": Column("integer", "number of the blind spot, from 1; an image may be in several"),
        "index": INDEX,
        "file": FILE,
        "actual": ACTUAL,
        "predicted": PREDICTED,
        "confirming": Column("true or false", "whether it confirmed the spot, and had no part in finding it"),
    },
)
SKIPPED = TableSchema(
    artifacts.SKIPPED,
    {
        "file": Column("text", "an image that is not used, relative to images.path"),
        "reason": Column("text", "why it cannot be"),
    },
)
DUPLICATES = TableSchema(
    artifacts.DUPLICATES,
    {
        "cluster": Column("integer", "the same for all files with the same picture, from 1"),
        "kind": Column(
            "text", "exact: another file has the same pixels; near: saved again, resized, brighter"
        ),
        "file": Column("text", "relative to images.path"),
        "class": Column("class", "its label"),
        "part": Column("text", "train, val or test"),
        "dropped": Column("true or false", "left out, since another part has the picture"),
        "label_conflict": Column("true or false", "the same pixels have another label elsewhere"),
    },
)


def write_table(table: TableSchema, frame: pd.DataFrame, folder: Path = Path()) -> None:
    """Write a table.

    Args:
        table: where and how.
        frame: exactly its columns, in any order; NaN becomes an empty field.
        folder: the project's.
    """
    if differing := set(table.columns) ^ set(frame.columns):
        raise ValueError(f"{table.path}: columns differ: {sorted(differing)}")
    frame = frame[list(table.columns)]
    # pandas would write True and False; JSON and earlier versions of these files have them in lower case.
    flags = [name for name, column in table.columns.items() if column.type == "true or false"]
    frame = frame.assign(**{name: np.where(frame[name], "true", "false") for name in flags})
    with artifacts.atomic_file(folder / table.path) as temporary:
        frame.to_csv(
            temporary,
            index=False,
            lineterminator="\n",
            encoding="utf-8",
            float_format=f"%.{table.digits}g" if table.digits else None,
        )


def read_table(
    table: TableSchema, classes: Sequence[str] | None = None, folder: Path = Path()
) -> pd.DataFrame:
    """Read a table and check it.

    Args:
        table: which.
        classes: the dataset's, for a table that names them.
        folder: the project's.

    Returns:
        int64, float64, bool and text columns; classes are Categorical, their codes positions in `classes`.

    Raises:
        InputError: the file is missing or no table, or lacks a column, or holds a value of another type or an
            unknown class; names file, column and row (the first below the header is 1).
    """
    path = folder / table.path
    texts = read_texts(path)
    columns = {}
    for name, column in table.columns.items():
        if name not in texts:
            raise InputError(f"{path}: damaged (has no column {name!r}); {artifacts.REMEDY}")
        values = texts[name].to_numpy(object)
        try:
            columns[name] = _convert(values, column.type, classes)
        except (ValueError, KeyError, OverflowError):
            row, value = _first_bad(values, column.type, classes)
            rule = "a class of this dataset" if column.type == "class" else column.type
            raise InputError(
                f"{path}: damaged (row {row}: {name} is {value!r}, should be {rule}); {artifacts.REMEDY}"
            ) from None
    return pd.DataFrame(columns)


def read_texts(path: Path, remedy: str = artifacts.REMEDY) -> pd.DataFrame:
    """Any CSV file with a header; all values stay text, so that a class may be called NA, true or 1e5.

    Args:
        path: the file.
        remedy: ends the message if it is damaged.

    Raises:
        InputError: the file is missing or is no such table.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # about a row that is too long
            return pd.read_csv(
                artifacts.require(path), dtype=str, na_filter=False, index_col=False, encoding="utf-8"
            )
    except (
        UnicodeDecodeError,
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
    ) as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"{path}: damaged ({reason}); {remedy}") from error


_BOOLEANS = {"true": True, "false": False}
_CONVERTERS: dict[ColumnType, Callable[[np.ndarray], np.ndarray]] = {
    "integer": lambda values: _check(values.astype(np.int64), lambda numbers: numbers >= 0),
    "number": lambda values: _check(values.astype(np.float64), np.isfinite),
    "number or empty": lambda values: np.where(values == "", "nan", values).astype(np.float64),
    "true or false": lambda values: np.array([_BOOLEANS[value] for value in values], bool),
    "text": lambda values: values,
}


def _convert(
    values: np.ndarray, type: ColumnType, classes: Sequence[str] | None
) -> np.ndarray | pd.Categorical:
    """Text to what the column holds; raises ValueError, KeyError or OverflowError."""
    if type != "class":
        return _CONVERTERS[type](values)
    if classes is None:
        return pd.Categorical(values)
    if not set(values) <= set(classes):
        raise ValueError
    return pd.Categorical(values, categories=list(classes))


def _check(values: np.ndarray, rule: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    if not rule(values).all():
        raise ValueError
    return values


def _first_bad(values: np.ndarray, type: ColumnType, classes: Sequence[str] | None) -> tuple[int, str]:
    """Row, counted from 1, and value of the first that cannot be converted."""
    for row, value in enumerate(values, 1):
        try:
            _convert(values[row - 1 : row], type, classes)
        except (ValueError, KeyError, OverflowError):
            return row, value
    raise AssertionError("all can be converted")
