"""Where every file of the pipeline is, and how it is written: completely, or not at all."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from src import places
from src.errors import InputError

PARAMS = Path("params.yaml")

SAMPLE = Path("data/sample")
CORRECTIONS = Path("data/corrections.csv")
DATASET = Path("data/dataset")
SKIPPED = Path("data/skipped.csv")
DUPLICATES = Path("data/duplicates.csv")
MEAN_STD = Path("metrics/stats.json")

LR = Path("data/lr.json")
LR_RANGE = Path("plots/lr_range.csv")

DATASET_METRICS = Path("metrics/dataset.json")
DATASET_FIGURE = Path("plots/dataset.png")
TRAIN_SAMPLES = Path("plots/train_samples.png")
TEST_SAMPLES = Path("plots/test_samples.png")
MODEL_SUMMARY = Path("data/model_summary.txt")

TRAINED_MODEL = Path("data/model.pt")
ENVIRONMENT = Path("data/environment.json")
TRAIN_METRICS = Path("metrics/train.json")
TRAINING_CURVES = Path("plots/training.csv")
TENSORBOARD = Path("plots/tensorboard")
CHECKPOINTS = Path(".checkpoints")
DOWNLOADS = Path(".downloads")
FEATURES = Path(".features")
IMAGES = Path(".images")

TEST_METRICS = Path("metrics/test.json")
PREDICTIONS = Path("data/predictions.csv")
PROBABILITIES = Path("data/probabilities.npy")
EMBEDDINGS = Path("data/embeddings.npy")
CONFUSION_MATRIX = Path("data/confusion_matrix.csv")
LABEL_ISSUES = Path("data/label_issues.csv")
TRAIN_LABEL_ISSUES = Path("data/train_label_issues.csv")
TRAIN_LABEL_ISSUE_IMAGES = Path("data/train_label_issues.npy")
CONFUSION = Path("plots/confusion.csv")
CLASS_ACCURACY = Path("plots/class_accuracy.csv")

MISCLASSIFIED = Path("data/misclassified.csv")
MISCLASSIFIED_GALLERY = Path("plots/misclassified.png")

GRADCAM = Path("plots/gradcam")
GRADCAM_PROBES = Path("plots/gradcam_probes.png")
HEATMAPS = Path("data/heatmaps.npy")
GRADCAM_METRICS = Path("metrics/gradcam.json")

ATTRIBUTES = Path("data/attributes.csv")
BLINDSPOTS = Path("data/blindspots.csv")
BLINDSPOT_METRICS = Path("metrics/blindspots.json")
BLINDSPOT_GALLERY = Path("plots/blindspots.png")

REMEDY = "run `dvc repro --force` to make it again"
TEMPORARY_PREFIX = ".tmp-"  # the beginning of a name that git ignores; the writer's process number follows


def outside_runs(path: Path) -> Path:
    """Where a file lies that outlives runs and experiments: ignored by git, and no output of DVC's.

    DVC runs `--temp` and queued experiments in a copy that is thrown away when they fail.
    """
    return places.project() / path


def require(path: Path) -> Path:
    """The path itself.

    Raises:
        InputError: nothing is there.
    """
    if not path.exists():
        tracked = path.name == PARAMS.name or path == CORRECTIONS or path.is_relative_to(SAMPLE)
        raise InputError(
            f"{path}: missing; run `{f'git restore {path}' if tracked else 'dvc repro'}` to restore it"
        )
    return path


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends without an error.

    Several processes may write the same file at once; the last one wins.

    Raises:
        InputError: the disk is full, the folder is not writable, and the like.
    """
    temporary = _temporary(path)
    with _one_line_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _flush(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed to it when the block ends without an error.

    Until then, what was at `path` stays. Of two writers at once, one may get an InputError.
    """
    temporary, old = _temporary(path), _temporary(path.with_name(f"{path.name}-old"))
    with _one_line_error(path):
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


def remove_leftovers() -> None:
    """Remove what killed processes left half-written; what a living one is writing stays."""
    folders = [Path(), Path("data"), Path("metrics"), Path("plots")]
    folders += [outside_runs(CHECKPOINTS), outside_runs(DOWNLOADS), *outside_runs(FEATURES).glob("*/")]
    for leftover in (file for folder in folders for file in folder.glob(f"{TEMPORARY_PREFIX}*")):
        if not _has_living_writer(leftover):
            with suppress(OSError):  # somebody else's, say: no reason not to do the work
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def _has_living_writer(leftover: Path) -> bool:
    """Whether the process whose number is in the name still runs, and is not a later one with that number."""
    number = leftover.name.removeprefix(TEMPORARY_PREFIX).partition("-")[0]
    if not number.isdecimal() or int(number) == os.getpid():
        return False  # this process has written nothing yet
    try:
        started = psutil.Process(int(number)).create_time()  # seconds since 1970, as is st_mtime
        return started <= leftover.stat().st_mtime + 5  # the two clocks differ a little
    except psutil.AccessDenied:
        return True
    except (psutil.Error, OverflowError, OSError):
        return False


def _temporary(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")


def _flush(path: Path) -> None:
    """Have the content on disk before the name: after a power cut there might otherwise be only the name."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _one_line_error(path: Path) -> Iterator[None]:
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
        InputError: the file is missing, is not JSON, or lacks one of the keys.
    """
    try:
        content = json.loads(require(path).read_text(encoding="utf-8"))
        for key in keys:
            content[key]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: damaged ({type(error).__name__}: {error}); {REMEDY}") from error
    return content


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy."""
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def read_array(path: Path, dtype: type, shape: tuple[int | None, ...], remedy: str = REMEDY) -> np.ndarray:
    """Open an .npy file; its values are read from disk when they are used.

    Args:
        path: the file.
        dtype: what it has to hold.
        shape: what it has to be like; None is any length.
        remedy: ends the message if it is damaged.

    Raises:
        InputError: the file is missing or damaged, or its type or shape is another.
    """
    try:
        array = np.load(require(path), mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # a damaged header can make numpy raise almost anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: damaged ({reason}); {remedy}") from error
    fits = len(array.shape) == len(shape) and all(
        want in (None, have) for have, want in zip(array.shape, shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        wanted = "×".join("any" if length is None else str(length) for length in shape)
        raise InputError(
            f"{path}: {array.dtype} of {'×'.join(map(str, array.shape))}, "
            f"should be {np.dtype(dtype)} of {wanted}; {remedy}"
        )
    return array


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
