"""What an experiment left behind, in the workspace or in any revision, without checking it out."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.scm import RevError, SCMError

from src import artifacts, predictions
from src.errors import InputError
from src.predictions import Predictions

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
OPTIONAL = (artifacts.HEATMAPS, artifacts.GRADCAM_METRICS)  # experiments of before these were made have none


@dataclass(frozen=True)
class Experiment:
    """The results of one run of the pipeline.

    Attributes:
        name: the revision as it was asked for.
        params: params.yaml, with the keys of groups as in `optimizer.lr`.
        test_data: the SHA-256 of the test images and that of their labels.
        images: uint8 (N, H, W, 3), the test split.
        predictions: about each of them.
        curves: a row an epoch, numbers by column.
        metrics: metrics/test.json.
        heatmaps: uint8 (N, h, w), see `src.heatmaps.to_bytes`, of `heatmap_layer`; None if there are none.
        heatmap_checks: what metrics/gradcam.json says about that layer's maps.
    """

    name: str
    params: dict[str, object]
    test_data: tuple[str, str]
    images: np.ndarray
    predictions: Predictions
    curves: list[dict[str, float]]
    metrics: dict
    heatmaps: np.ndarray | None
    heatmap_layer: str
    heatmap_checks: dict = field(default_factory=dict)


def read(revision: str = WORKSPACE) -> Experiment:
    """Read an experiment.

    Args:
        revision: a branch, tag, commit or name of a DVC experiment; or `workspace`, the files as they are.

    Raises:
        InputError: there is no such revision; it has no results, or they are damaged, or not all of one run;
            or DVC's cache has lost them.
    """
    if not revision:
        raise InputError("an empty name is no revision")
    with _folder(revision) as folder:
        try:
            return _read(revision, folder)
        except InputError as error:
            raise InputError(str(error).replace(f"{folder}/", f"{revision}: ")) from error
        except (ValueError, TypeError, KeyError, AttributeError, EOFError, yaml.YAMLError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{revision}: its files are damaged ({reason}); {artifacts.REMEDY}") from error


def _read(name: str, folder: Path) -> Experiment:
    params, lock = (
        yaml.safe_load((folder / path).read_text(encoding="utf-8")) for path in (artifacts.PARAMS, LOCK)
    )
    stages = lock["stages"]
    made = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}
    if stage := _out_of_date(params, stages, made):
        raise InputError(f"{name}: the results are not those of its params.yaml ({stage}); `dvc repro` first")
    for path in (*NEEDED, *OPTIONAL):
        md5 = made.get(path.as_posix())
        if md5 and (folder / path).exists() and md5 != _md5(folder / path):
            raise InputError(f"{folder / path}: not what dvc.lock says; `dvc checkout` or `dvc repro` first")
    meta = artifacts.read_json(folder / META, "classes", "sha256")
    # Copied: the folder may be gone before the images are looked at.
    images = np.load(folder / TEST_IMAGES, allow_pickle=False)
    table = artifacts.read_csv(folder / artifacts.TRAINING_CURVES)
    checks, maps = folder / artifacts.GRADCAM_METRICS, folder / artifacts.HEATMAPS
    layers = artifacts.read_json(checks) if checks.exists() else {}
    layer = next(reversed(layers), "")
    return Experiment(
        name,
        dict(flatten(params)),
        (meta["sha256"]["test_images"], meta["sha256"]["test_labels"]),
        images,
        predictions.read(meta["classes"], len(images), folder / artifacts.PREDICTIONS),
        [{column: float(value) for column, value in row.items()} for row in table],
        artifacts.read_json(folder / artifacts.TEST_METRICS, "accuracy"),
        np.load(maps, allow_pickle=False) if maps.exists() else None,
        layer,
        layers.get(layer, {}),
    )


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _out_of_date(params: dict, stages: dict, made: dict[str, str]) -> str:
    """The first stage, going by dvc.lock, that ran with other parameters or with what another made before."""
    now = dict(flatten(params))
    for name, stage in stages.items():
        then = dict(flatten(stage.get("params", {}).get(artifacts.PARAMS.name, {})))
        changed = any(now.get(key) != value for key, value in then.items())
        if changed or any(made.get(dep["path"], dep["md5"]) != dep["md5"] for dep in stage["deps"]):
            return name
    return ""


def flatten(params: dict, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Parameters with their names as `-S` takes them, e.g. `optimizer.lr`."""
    for key, value in params.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _number(value)


def _number(value: object) -> object:
    """The number that PyYAML takes for a string: DVC writes 0.00001 as 1e-05."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


@contextmanager
def _folder(revision: str) -> Iterator[Path]:
    """A folder with the experiment's files at their usual places."""
    if revision == WORKSPACE:
        for path in NEEDED:
            artifacts.require(path)
        yield Path()
        return
    with tempfile.TemporaryDirectory(prefix="blindspot-") as temporary:
        _copy(revision, Path(temporary))
        yield Path(temporary)


def _copy(revision: str, folder: Path) -> None:
    """Copy the files out of git and DVC's cache."""
    if not Path(".dvc").is_dir():
        raise InputError(f"{Path.cwd()}: not the root of a project; revisions are looked up there")
    try:
        system = DVCFileSystem(".", rev=revision)
        system.info("dvc.lock")
        known = [path for path in (*NEEDED, *OPTIONAL) if system.exists(path.as_posix())]
    except FileNotFoundError as error:
        raise InputError(
            f"{revision}: has no dvc.lock, so no results; was the pipeline run there?"
        ) from error
    except RevError as error:
        if "ambiguous" in str(error):
            raise InputError(
                f"{revision}: several have this name; `dvc exp list --all-commits` tells them apart"
            ) from error
        raise InputError(
            f"{revision}: neither a branch, a tag, a commit nor an experiment; "
            "`git branch` and `dvc exp list --name-only` know them"
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
                f"`git checkout {revision}`, then `dvc repro` makes it again"
            ) from error
    missing = [str(path) for path in NEEDED if path not in known]
    if missing:
        raise InputError(f"{revision}: has no {missing[0]}; was the pipeline run there?")
