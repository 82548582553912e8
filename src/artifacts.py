"""Where every file of the pipeline lies, and how it is written: whole, or not at all."""

import csv
import json
import os
import tempfile
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
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes it readable by its owner alone
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: what was at `path` stays until the new one is complete, then goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        new, old = Path(scratch, "new"), Path(scratch, "old")
        new.mkdir()
        yield new
        if path.exists():
            path.replace(old)
        try:
            new.replace(path)
        except OSError:
            if old.exists():
                old.replace(path)
            raise


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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
