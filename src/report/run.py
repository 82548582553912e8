"""What a run of the pipeline left behind, in the workspace or in any revision, without checking it out."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.scm import RevError, SCMError

from src import artifacts, schema
from src.errors import InputError
from src.evaluation.predictions import Predictions, read_predictions
from src.params import flatten
from src.report import legacy

WORKSPACE = "workspace"
META = artifacts.DATASET / "meta.json"
TEST_IMAGES = artifacts.DATASET / "test_images.npy"
LOCK = Path("dvc.lock")
NEEDED = (
    artifacts.PARAMS,
    LOCK,
    META,
    TEST_IMAGES,
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
OPTIONAL = (artifacts.HEATMAPS, artifacts.GRADCAM_METRICS)  # the oldest runs have none


@dataclass(frozen=True)
class Run:
    """The results of one run of the pipeline.

    Attributes:
        name: the revision as it was asked for.
        params: params.yaml, with the keys of groups as in `optimizer.lr`.
        test_data: the SHA-256 of the test images and that of their labels.
        images: uint8 (N, H, W, 3), the test split.
        predictions: about each of them.
        curves: `schema.TRAINING_CURVES`.
        metrics: metrics/test.json.
        confusion_matrix: `schema.CONFUSION_MATRIX`.
        class_accuracy: `schema.CLASS_ACCURACY`.
        label_issues: `schema.LABEL_ISSUES`.
        heatmaps: uint8 (N, h, w), of `heatmap_layer`, see `src.explanation.gradcam.to_bytes`; None without.
        heatmap_layer: the name of that layer; empty without maps.
        heatmap_checks: what metrics/gradcam.json says about that layer's maps.
    """

    name: str
    params: dict[str, object]
    test_data: tuple[str, str]
    images: np.ndarray
    predictions: Predictions
    curves: pd.DataFrame
    metrics: dict[str, Any]
    confusion_matrix: pd.DataFrame
    class_accuracy: pd.DataFrame
    label_issues: pd.DataFrame
    heatmaps: np.ndarray | None
    heatmap_layer: str
    heatmap_checks: dict[str, Any] = field(default_factory=dict)

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
    if not revision:
        raise InputError("an empty name is not a revision")
    folder: Path | None = None
    try:
        with _folder(revision) as folder:
            return _read(revision, folder)
    except InputError as error:
        if folder is None or folder == Path():  # no temporary path to hide
            raise
        raise InputError(str(error).replace(f"{folder}{os.sep}", f"{revision}: ")) from error
    except (ValueError, TypeError, KeyError, AttributeError, EOFError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{revision}: its files are damaged ({reason}); {artifacts.REMEDY}") from error


def _read(name: str, folder: Path) -> Run:
    params, lock = (_read_yaml(folder / path) for path in (artifacts.PARAMS, LOCK))
    _check_consistency(name, folder, params, lock)
    if legacy.is_legacy(lock):
        if folder == Path():  # the workspace, of which only old runs are copied
            raise InputError(f"{name}: dvc.lock changed while it was read; try again")
        legacy.upgrade(folder)
    meta = artifacts.read_json(folder / META, "classes", "sha256")
    classes = tuple(meta["classes"])
    # Copied: the folder may be gone before the images are looked at.
    images = np.array(artifacts.read_array(folder / TEST_IMAGES, np.uint8, (None, None, None, 3)))
    maps, layers = folder / artifacts.HEATMAPS, folder / artifacts.GRADCAM_METRICS
    checks = artifacts.read_json(layers) if layers.exists() else {}
    layer = next(reversed(checks), "")
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
        np.load(maps, allow_pickle=False) if maps.exists() else None,
        layer,
        checks.get(layer, {}),
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


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


@contextmanager
def _folder(revision: str) -> Iterator[Path]:
    """A folder with the run's files at their usual places; the workspace itself is only ever read."""
    if revision == WORKSPACE:
        for path in NEEDED:
            artifacts.require(path)
        if not legacy.is_legacy(_read_yaml(LOCK)):
            for path in NEEDED_TODAY:
                artifacts.require(path)
            yield Path()
            return
    with tempfile.TemporaryDirectory(prefix="blindspot-") as temporary:
        folder = Path(temporary)
        if revision == WORKSPACE:
            for path in filter(Path.exists, (*NEEDED, *OPTIONAL)):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / path)
        else:
            _copy(revision, folder)
        yield folder


def _copy(revision: str, folder: Path) -> None:
    """Copy the files out of git and DVC's cache."""
    if not Path(".dvc").is_dir():
        raise InputError(f"{Path.cwd()}: not the root of a project; revisions are looked up there")
    try:
        system = DVCFileSystem(".", rev=revision)
        lock = yaml.safe_load(system.read_text(LOCK.as_posix()))
        needed = (*NEEDED, *(() if legacy.is_legacy(lock) else NEEDED_TODAY))
        known = [path for path in (*needed, *OPTIONAL) if system.exists(path.as_posix())]
    except FileNotFoundError as error:
        raise InputError(
            f"{revision}: has no dvc.lock and therefore no results; was the pipeline run there?"
        ) from error
    except RevError as error:
        if "ambiguous" in str(error):
            raise InputError(
                f"{revision}: several experiments have this name; `dvc exp list --all-commits` lists them"
            ) from error
        raise InputError(
            f"{revision}: not a branch, tag, commit or experiment; "
            "`git branch` and `dvc exp list --name-only` list them"
        ) from error
    except (DvcException, SCMError, AttributeError) as error:  # AttributeError: it names no commit
        raise InputError(f"{revision}: cannot be read: {error}") from error
    for path in known:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with system.open(path.as_posix(), "rb") as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
        except (OSError, DvcException) as error:
            if path in OPTIONAL:
                target.unlink(missing_ok=True)
                continue
            raise InputError(
                f"{revision}: {path} is not in DVC's cache; `dvc exp apply {revision}` or "
                f"`git checkout {revision}`, then `dvc repro` to make it again"
            ) from error
    missing = [str(path) for path in needed if path not in known]
    if missing:
        raise InputError(f"{revision}: has no {missing[0]}; was the pipeline run there?")
