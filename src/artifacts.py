"""Where every file of the pipeline lies, and how it is written: whole, or not at all."""

import csv
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from src.errors import InputError

PARAMS = Path("params.yaml")

SAMPLE = Path("data/sample")
DATASET = Path("data/dataset")
STATS = Path("metrics/stats.json")

MODEL = Path("data/model.pt")
MODEL_SUMMARY = Path("data/model_summary.txt")
ENVIRONMENT = Path("data/environment.json")
TRAIN_METRICS = Path("metrics/train.json")
TRAINING_CURVES = Path("plots/training.csv")
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
GRADCAM_METRICS = Path("metrics/gradcam.json")


def require(path: Path) -> Path:
    """The path itself.

    Raises:
        InputError: nothing is there.
    """
    if not path.exists():
        raise InputError(f"{path}: missing; `dvc repro` makes it")
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


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises:
        InputError: the file is missing or is not JSON.
    """
    try:
        return json.loads(require(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error})") from error


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
        InputError: the file is missing.
    """
    with require(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
