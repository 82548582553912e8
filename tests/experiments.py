"""Experiments made in a moment: as DVC keeps them, but with answers that nobody trained for."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from src import artifacts, schema
from src.evaluation.label_issues import find_label_issues
from src.evaluation.metrics import measure
from src.evaluation.mistakes import class_accuracy, confusion_matrix
from src.evaluation.predictions import Predictions, read_predictions, write_predictions
from tests.project import Project, set_params

EVALUATED = (
    artifacts.PREDICTIONS,
    artifacts.PROBABILITIES,
    artifacts.CONFUSION_MATRIX,
    artifacts.LABEL_ISSUES,
)


def add_experiment(
    project: Project, name: str, accuracy: float = 0.8, rng_seed: int = 0, **changes: Any
) -> Predictions:
    """Add an experiment to a project with a committed run; its files and its other experiments stay.

    Args:
        project: whose workspace is as it was committed.
        name: of the experiment.
        accuracy: share of the test images that it gets right.
        rng_seed: decides which.
        changes: of parameters, `group__key=value`.

    Returns:
        The experiment's answers.
    """
    folder = project.folder.with_name(f"{project.folder.name}-{name}")
    folder.mkdir()
    for path in (artifacts.PARAMS, Path("dvc.lock"), artifacts.TEST_METRICS):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project.folder / path, folder / path)
    changes = {key.replace("__", "."): value for key, value in changes.items()}
    set_params(folder, changes)
    predictions = _answers(project.folder, accuracy, rng_seed)
    _write(folder, predictions)
    _lock(project, folder, changes)
    _commit(project, folder, name)
    shutil.rmtree(folder)
    return predictions


def _answers(folder: Path, accuracy: float, rng_seed: int) -> Predictions:
    """About the project's test images."""
    labels = np.load(folder / artifacts.DATASET / "test_labels.npy")
    classes = artifacts.read_json(folder / artifacts.DATASET / "meta.json")["classes"]
    known = read_predictions(classes, len(labels), folder)
    rng = np.random.default_rng(rng_seed)
    wrong = rng.permutation(len(labels)) >= round(accuracy * len(labels))
    answers = (labels + wrong * rng.integers(1, len(classes), len(labels))) % len(classes)
    probabilities = rng.dirichlet(np.ones(len(classes)), len(labels)) * 0.4
    probabilities[np.arange(len(labels)), answers] += 0.6
    return Predictions.from_probabilities(labels, probabilities, classes, known.files)


def _write(folder: Path, predictions: Predictions) -> None:
    """What evaluating the model would have written."""
    write_predictions(predictions, folder)
    schema.write_table(schema.CONFUSION_MATRIX, confusion_matrix(predictions), folder)
    schema.write_table(schema.CLASS_ACCURACY, class_accuracy(predictions), folder)
    schema.write_table(schema.LABEL_ISSUES, find_label_issues(predictions), folder)
    metrics = artifacts.read_json(folder / artifacts.TEST_METRICS)
    artifacts.write_json(folder / artifacts.TEST_METRICS, metrics | measure(predictions))


def _lock(project: Project, folder: Path, changes: Mapping[str, Any]) -> None:
    """Write dvc.lock, and have what it names in DVC's cache."""
    path = folder / "dvc.lock"
    text = path.read_text()
    for file in (*EVALUATED, artifacts.CLASS_ACCURACY, artifacts.TEST_METRICS):
        content = (folder / file).read_bytes()
        before, now = (
            hashlib.md5(bytes_, usedforsecurity=False).hexdigest()
            for bytes_ in ((project.folder / file).read_bytes(), content)
        )
        text = text.replace(before, now)
        cached = project.folder / ".dvc/cache/files/md5" / now[:2] / now[2:]
        if file in EVALUATED and not cached.exists():
            cached.parent.mkdir(exist_ok=True)
            cached.write_bytes(content)
    lock = yaml.safe_load(text)
    for stage in lock["stages"].values():
        params = stage.get("params", {}).get("params.yaml", {})
        for key, value in changes.items():
            name, _, inner = key.partition(".")
            if key in params:
                params[key] = value
            elif name in params:
                params[name][inner] = value
    path.write_text(yaml.safe_dump(lock))


def _commit(project: Project, folder: Path, name: str) -> None:
    """Keep it in git as DVC does, without touching the workspace."""
    index = {"GIT_INDEX_FILE": str(folder / "index")}
    project.run("git", "read-tree", "HEAD", **index)
    for path in (artifacts.PARAMS, Path("dvc.lock"), artifacts.TEST_METRICS, artifacts.CLASS_ACCURACY):
        blob = project.run("git", "hash-object", "-w", str(folder / path)).strip()
        project.run("git", "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", **index)
    tree = project.run("git", "write-tree", **index).strip()
    head = project.run("git", "rev-parse", "HEAD").strip()
    commit = project.run("git", "commit-tree", tree, "-p", head, "-m", name).strip()
    project.run("git", "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", commit)
