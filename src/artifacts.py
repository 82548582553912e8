"""Where every file of the pipeline lies, and how it is written: whole, or not at all."""

import csv
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from src.errors import InputError

PARAMS = Path("params.yaml")

SAMPLE = Path("data/sample")
DATASET = Path("data/dataset")
STATS = Path("metrics/stats.json")

LR = Path("data/lr.json")
LR_RANGE = Path("plots/lr_range.csv")

MODEL = Path("data/model.pt")
MODEL_SUMMARY = Path("data/model_summary.txt")
ENVIRONMENT = Path("data/environment.json")
TRAIN_METRICS = Path("metrics/train.json")
TRAINING_CURVES = Path("plots/training.csv")
TENSORBOARD = Path("plots/tensorboard")
TRAIN_SAMPLES = Path("plots/train_samples.png")
TEST_SAMPLES = Path("plots/test_samples.png")

TEST_METRICS = Path("metrics/test.json")
PREDICTIONS = Path("data/predictions.csv")
CONFUSION = Path("plots/confusion.csv")
CLASS_ACCURACY = Path("plots/class_accuracy.csv")

MISCLASSIFIED = Path("data/misclassified.csv")
MISCLASSIFIED_GALLERY = Path("plots/misclassified.png")

GRADCAM = Path("plots/gradcam")
GRADCAM_PROBES = Path("plots/gradcam_probes.png")
HEATMAPS = Path("data/heatmaps.npy")
GRADCAM_METRICS = Path("metrics/gradcam.json")

REMEDY = "`dvc repro --force` makes it again"


def keep_outside(path: Path) -> Path:
    """Where something lies that outlives runs and experiments, ignored by git and no output of DVC's.

    DVC runs `--temp` and queued experiments in a copy that is thrown away when they fail; DVC_ROOT names
    the project they were started from.
    """
    return Path(os.environ.get("DVC_ROOT", ".")) / path


def require(path: Path) -> Path:
    """The path itself.

    Raises:
        InputError: nothing is there.
    """
    if not path.exists():
        tracked = path.name == PARAMS.name or path.is_relative_to(SAMPLE)
        raise InputError(
            f"{path}: missing; `{f'git restore {path}' if tracked else 'dvc repro'}` brings it back"
        )
    return path


@contextmanager
def atomic_file(path: Path, tag: str = "") -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well.

    What a killed process left behind is written over by the next one.

    Args:
        path: where the file belongs.
        tag: set it where several processes write the same file; the last one wins.

    Raises:
        InputError: the disk is full, the folder may not be written to, and the like.
    """
    temporary = _temporary(path, tag)
    with _told_in_one_line(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _flush(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: what was at `path` stays until the new one is complete, then goes."""
    temporary, old = _temporary(path), _temporary(path.with_name(f"{path.name}-old"))
    with _told_in_one_line(path):
        for leftover in (temporary, old):
            shutil.rmtree(leftover, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            for file in temporary.iterdir():
                _flush(file)
            if path.exists():
                path.replace(old)
            temporary.replace(path)
        finally:
            if old.exists() and not path.exists():
                old.replace(path)
            for leftover in (temporary, old):
                shutil.rmtree(leftover, ignore_errors=True)


def _temporary(path: Path, tag: str = "") -> Path:
    # Ignored by git under this name, and a name that does not change, so that leftovers do not pile up.
    return path.with_name(f".tmp-{tag}{path.name}")


def _flush(path: Path) -> None:
    """Have the content on the disk before the name: a power cut may else leave the name alone."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _told_in_one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # numpy raises some without a number: "1000 requested and 0 written".
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping as indented JSON."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8", newline="\n")


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Args:
        path: the file.
        keys: that have to be there.

    Raises:
        InputError: the file is missing, no JSON, or lacks one of the keys.
    """
    try:
        content = json.loads(require(path).read_text(encoding="utf-8"))
        for key in keys:
            content[key]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: damaged ({type(error).__name__}: {error}); {REMEDY}") from error
    return content


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows under a header of `columns`."""
    with (
        atomic_file(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows by column name, every value still text.

    Raises:
        InputError: the file is missing or is no such table.
    """
    try:
        with require(path).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: damaged ({error}); {REMEDY}") from error


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy."""
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
