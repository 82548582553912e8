"""What a run of the pipeline left behind, in the workspace or in any revision, without checking it out."""

import hashlib
import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from src import artifacts, schema
from src.blindspots.files import BlindSpots, read_blindspots
from src.data.dataset import read_files
from src.data.images import Images, files_of_images, open_images
from src.errors import InputError
from src.evaluation.predictions import Predictions, read_predictions
from src.params_file import flatten
from src.report import legacy
from src.report.revision import LOADER, LOCK, WORKSPACE, Revision

META = artifacts.DATASET / "meta.json"
FILES = artifacts.DATASET / "files.csv"  # only of a dataset that has files
NEEDED = (
    artifacts.PARAMS,
    LOCK,
    META,
    artifacts.PREDICTIONS,
    artifacts.TRAINING_CURVES,
    artifacts.TEST_METRICS,
)
# Written since stages write what reports read.
NEEDED_TODAY = (
    artifacts.PROBABILITIES,
    artifacts.CONFUSION_MATRIX,
    artifacts.CLASS_ACCURACY,
    artifacts.LABEL_ISSUES,
)
HEADLINE_METRICS = ("accuracy", "accuracy_low", "accuracy_high", "confidence", "calibration_error")
# The oldest runs have no heatmaps; what is known of the files was not written before 0.2, the training labels
# worth checking and blind spots not before 0.3.
OPTIONAL = (
    artifacts.HEATMAPS,
    artifacts.GRADCAM_METRICS,
    artifacts.DATASET_METRICS,
    artifacts.SKIPPED,
    artifacts.DUPLICATES,
    FILES,
    artifacts.TRAIN_LABEL_ISSUES,
    artifacts.TRAIN_LABEL_ISSUE_IMAGES,
    artifacts.BLINDSPOTS,
    artifacts.BLINDSPOT_METRICS,
)


class Copies:
    """A folder for copies of a run's files; it lasts as long as somebody holds this, and no longer."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="blindspot-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Run:
    """The results of one run of the pipeline.

    Attributes:
        name: the revision as it was asked for.
        params: params.yaml, with the keys of groups as in `optimizer.lr`.
        test_data: the SHA-256 of the test images and that of their labels.
        images: uint8 (N, H, W, 3), the test split; read from disk when they are used.
        predictions: about each of them.
        curves: `schema.TRAINING_CURVES`.
        metrics: metrics/test.json.
        confusion_matrix: `schema.CONFUSION_MATRIX`.
        class_accuracy: `schema.CLASS_ACCURACY`.
        label_issues: `schema.LABEL_ISSUES`.
        heatmaps: uint8 (N, h, w), of `heatmap_layer`, see `src.explanation.gradcam.to_bytes`; None without.
        heatmap_layer: the name of that layer; empty without maps.
        heatmap_checks: what metrics/gradcam.json says about that layer's maps.
        source: whose data it is; of the user's own images the folder.
        data: metrics/dataset.json; empty before there was such a file.
        skipped: the rows of data/skipped.csv, as text.
        duplicates: the rows of data/duplicates.csv, as text.
        sums: the SHA-256 of every array of the dataset, by name.
        contents: the SHA-256 of each image's file, in order, of `train` and `test`; empty without files.
        train_label_issues: `schema.TRAIN_LABEL_ISSUES`; empty where training labels were not checked.
        train_issue_images: uint8 (N, H, W, 3), the image of each of these rows.
        copies: of the files that are not read yet; None where they lie in the workspace.
        corrections: see `src.data.dataset.Dataset`; empty before there were any.
        blindspots: groups of images that are wrong; None before they were looked for.
    """

    name: str
    params: dict[str, object]
    test_data: tuple[str, str]
    images: Images
    predictions: Predictions
    curves: pd.DataFrame
    metrics: dict[str, Any]
    confusion_matrix: pd.DataFrame
    class_accuracy: pd.DataFrame
    label_issues: pd.DataFrame
    heatmaps: np.ndarray | None
    heatmap_layer: str
    heatmap_checks: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    skipped: pd.DataFrame = field(default_factory=pd.DataFrame)
    duplicates: pd.DataFrame = field(default_factory=pd.DataFrame)
    sums: dict[str, str] = field(default_factory=dict)
    contents: dict[str, np.ndarray] = field(default_factory=dict)
    train_label_issues: pd.DataFrame = field(default_factory=pd.DataFrame)
    train_issue_images: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1, 3), np.uint8))
    copies: Copies | None = None
    corrections: dict[str, Any] = field(default_factory=dict)
    blindspots: BlindSpots | None = None

    def confusions(self) -> np.ndarray:
        """The whole confusion matrix, int64 (classes, classes): rows are actual, columns predicted."""
        table = self.confusion_matrix
        matrix = np.zeros((len(self.predictions.classes),) * 2, np.int64)
        matrix[table["actual"].cat.codes, table["predicted"].cat.codes] = table["images"]
        return matrix


def read_run(revision: str = WORKSPACE) -> Run:
    """Read a run.

    Args:
        revision: a branch, tag, commit or name of a DVC experiment; or `workspace`, the files as they are.

    Raises:
        InputError: there is no such revision; it has no results, or they are damaged, or not all of one run;
            or they are not in DVC's cache.
    """
    copies: Copies | None = None
    try:
        if revision != WORKSPACE or _is_old_workspace():
            copies = Copies()
            _fill(copies.folder, revision)
        return _read(revision, copies)
    except InputError as error:
        if copies is None:  # no temporary path to hide
            raise
        raise InputError(str(error).replace(f"{copies.folder}{os.sep}", f"{revision}: ")) from error
    except (ValueError, TypeError, KeyError, AttributeError, EOFError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{revision}: its files are damaged ({reason}); {artifacts.REMEDY}") from error


def _read(name: str, copies: Copies | None) -> Run:
    folder = copies.folder if copies else Path()
    params, lock = (_read_yaml(folder / path) for path in (artifacts.PARAMS, LOCK))
    _check_consistency(name, folder, params, lock)
    if legacy.is_legacy(legacy.outputs(lock)):
        if folder == Path():  # the workspace, of which only old runs are copied
            raise InputError(f"{name}: dvc.lock changed while it was read; try again")
        legacy.upgrade(folder)
    meta = artifacts.read_json(folder / META, "classes", "sha256")
    classes = tuple(meta["classes"])
    size = meta.get("preprocessing", {}).get("size", 0)
    images = open_images(folder / artifacts.DATASET, "test", _store(meta), size)
    maps, layers = folder / artifacts.HEATMAPS, folder / artifacts.GRADCAM_METRICS
    checks = artifacts.read_json(layers) if layers.exists() else {}
    layer = next(reversed(checks), "")
    data = folder / artifacts.DATASET_METRICS
    return Run(
        name,
        dict(flatten(params)),
        (meta["sha256"]["test_images"], meta["sha256"]["test_labels"]),
        images,
        read_predictions(classes, len(images), folder),
        schema.read_table(schema.TRAINING_CURVES, folder=folder),
        artifacts.read_json(folder / artifacts.TEST_METRICS, *HEADLINE_METRICS),
        schema.read_table(schema.CONFUSION_MATRIX, classes, folder),
        schema.read_table(schema.CLASS_ACCURACY, classes, folder),
        schema.read_table(schema.LABEL_ISSUES, classes, folder),
        np.load(maps, mmap_mode="r", allow_pickle=False) if maps.exists() else None,
        layer,
        checks.get(layer, {}),
        meta.get("source", ""),
        artifacts.read_json(data) if data.exists() else {},
        _read_rows(folder / artifacts.SKIPPED),
        _read_rows(folder / artifacts.DUPLICATES),
        meta["sha256"],
        _read_contents(folder),
        *_read_train_issues(folder, classes),
        copies,
        meta.get("corrections", {}),
        read_blindspots(classes, len(images), folder),
    )


def _read_rows(path: Path) -> pd.DataFrame:
    return schema.read_texts(path) if path.exists() else pd.DataFrame()


def _read_contents(folder: Path) -> dict[str, np.ndarray]:
    tables = {part: read_files(part, folder / artifacts.DATASET) for part in ("train", "test")}
    return {part: table["content"].to_numpy(object) for part, table in tables.items() if table is not None}


def _read_train_issues(folder: Path, classes: tuple[str, ...]) -> tuple[pd.DataFrame, np.ndarray]:
    paths = [folder / path for path in (artifacts.TRAIN_LABEL_ISSUES, artifacts.TRAIN_LABEL_ISSUE_IMAGES)]
    if not all(path.exists() for path in paths):
        return pd.DataFrame(), np.zeros((0, 1, 1, 3), np.uint8)
    table = schema.read_table(schema.TRAIN_LABEL_ISSUES, classes, folder)
    return table, artifacts.read_array(paths[1], np.uint8, (len(table), None, None, 3))


def _store(meta: dict[str, Any]) -> str:
    """How the images are stored; before there was a choice, raw."""
    return meta.get("store", "raw")


def _read_yaml(path: Path) -> dict[str, Any]:
    return yaml.load(path.read_text(encoding="utf-8"), LOADER)


def _check_consistency(name: str, folder: Path, params: dict[str, Any], lock: dict[str, Any]) -> None:
    """Refuse files that are not all of one run, going by dvc.lock."""
    outputs = legacy.outputs(lock)
    now = dict(flatten(params))
    # Was each stage's last run with these parameters, and on files that the other stages' last runs wrote?
    for stage, entry in lock["stages"].items():
        then = dict(flatten(entry.get("params", {}).get(artifacts.PARAMS.name, {})))
        changed = any(now.get(key) != value for key, value in then.items())
        if changed or any(outputs.get(dep["path"], dep["md5"]) != dep["md5"] for dep in entry["deps"]):
            raise InputError(
                f"{name}: the results do not match its params.yaml (stage {stage}); run `dvc repro` first"
            )
    # Results are overwritten while a new run is in progress; the checksums tell.
    for path in (*NEEDED, *NEEDED_TODAY, *OPTIONAL):
        md5 = outputs.get(path.as_posix())
        if md5 and (folder / path).exists() and md5 != _md5(folder / path):
            remedy = "run `dvc checkout` or `dvc repro` first"
            raise InputError(f"{folder / path}: differs from dvc.lock; {remedy}")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _is_old_workspace() -> bool:
    """Whether the workspace, which is only ever read, holds a run that has to be upgraded first."""
    for path in NEEDED:
        artifacts.require(path)
    if legacy.is_legacy(legacy.outputs(_read_yaml(LOCK))):
        return True
    for path in NEEDED_TODAY:
        artifacts.require(path)
    return False


def _fill(folder: Path, name: str) -> None:
    """Copy the run's files to their usual places in a folder."""
    if name != WORKSPACE:
        _copy_revision(name, folder)
        return
    images = _files_of_images(artifacts.read_json(META))
    for path in filter(Path.exists, (*NEEDED, *OPTIONAL, *images)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / path)


def _files_of_images(meta: dict[str, Any]) -> list[Path]:
    return files_of_images(artifacts.DATASET, "test", _store(meta))


def _copy_revision(name: str, folder: Path) -> None:
    """Copy the files out of git and DVC's cache."""
    revision = Revision(name)
    today = () if legacy.is_legacy(revision.outputs) else NEEDED_TODAY
    revision.copy((*NEEDED, *today), folder, OPTIONAL)
    revision.copy(_files_of_images(artifacts.read_json(folder / META)), folder)
