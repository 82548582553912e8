"""Runs of older versions, with their files written by hand as those versions wrote them."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from src import artifacts, schema
from src.errors import InputError
from src.evaluation.label_issues import find_label_issues
from src.evaluation.metrics import measure
from src.evaluation.mistakes import class_accuracy, confusion_matrix
from src.evaluation.predictions import Predictions, write_predictions
from src.report import legacy
from src.report.run import read_run
from tests.report.runs import CURVES

CLASSES = ("cat", "NA", "true", "a,b")
CHECKS = {"deletion": 0.25, "deletion_random": 0.35, "insertion": 0.6, "insertion_random": 0.4}


def wide_predictions(path: Path, actual: np.ndarray, probabilities: np.ndarray) -> None:
    """The table that had a column a class."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["index", "actual", "predicted", "confidence", *CLASSES])
        for index, (label, row) in enumerate(zip(actual, probabilities, strict=True)):
            shown = [f"{probability:.8g}" for probability in row]
            predicted = int(row.argmax())
            writer.writerow([index, CLASSES[label], CLASSES[predicted], shown[predicted], *shown])


def old_metrics(actual: np.ndarray, probabilities: np.ndarray) -> dict:
    """The figures that there were, from probabilities of full precision."""
    now = measure(Predictions.from_probabilities(actual, probabilities, CLASSES))
    return {
        "accuracy": now["accuracy"],
        "accuracy_low": now["accuracy_low"],
        "accuracy_high": now["accuracy_high"],
        "loss": 0.5,
        "calibration_error": 0.0625,
        "per_class": now["per_class"],
        "accuracy_without_tta": 0.5,
    }


@pytest.fixture
def old_run(tmp_path) -> tuple[Path, Predictions]:
    """A folder as the first version left it, and what its model said to the digits of the table."""
    rng = np.random.default_rng(0)
    actual = np.arange(300) % 4
    probabilities = rng.dirichlet([0.5] * 4, 300) * 0.5 + 0.5 * np.eye(4)[actual]
    probabilities[:20] = probabilities[:20, ::-1]  # wrong, and sure of it
    folder = tmp_path / "run"
    for name in ("data/dataset", "metrics", "plots"):
        (folder / name).mkdir(parents=True)
    meta = {"name": "sample", "classes": CLASSES, "sha256": {"test_images": "i", "test_labels": "l"}}
    artifacts.write_json(folder / artifacts.DATASET / "meta.json", meta)
    np.save(folder / artifacts.DATASET / "test_images.npy", np.zeros((300, 4, 4, 3), np.uint8))
    wide_predictions(folder / artifacts.PREDICTIONS, actual, probabilities)
    artifacts.write_json(folder / artifacts.TEST_METRICS, old_metrics(actual, probabilities))
    layers = {
        "layer2": CHECKS | {"height": 16},
        "layer3": CHECKS | {"height": 8, "scrambled_correlation": 0.01},
    }
    artifacts.write_json(folder / artifacts.GRADCAM_METRICS, layers)
    schema.write_table(schema.TRAINING_CURVES, CURVES, folder)
    (folder / artifacts.CLASS_ACCURACY).write_text("class,accuracy\ncat,0.5\nNA,0.5\ntrue,0.5\n")
    rounded = np.array([[float(f"{p:.8g}") for p in row] for row in probabilities])
    return folder, Predictions.from_probabilities(actual, rounded, CLASSES)


def test_an_old_run_becomes_what_todays_stages_write(old_run, tmp_path):
    folder, predictions = old_run
    legacy.upgrade(folder)
    today = tmp_path / "today"
    write_predictions(predictions, today)
    schema.write_table(schema.CONFUSION_MATRIX, confusion_matrix(predictions), today)
    schema.write_table(schema.CLASS_ACCURACY, class_accuracy(predictions), today)
    schema.write_table(schema.LABEL_ISSUES, find_label_issues(predictions), today)
    written = sorted(path.relative_to(today) for path in today.rglob("*") if path.is_file())
    assert len(written) == 5
    for path in written:
        assert (folder / path).read_bytes() == (today / path).read_bytes(), path
    assert len(schema.read_table(schema.LABEL_ISSUES, CLASSES, folder)) > 5  # or one file would say little


def test_old_metrics_are_kept_and_completed(old_run):
    folder, predictions = old_run
    before = artifacts.read_json(folder / artifacts.TEST_METRICS)
    legacy.upgrade(folder)
    after = artifacts.read_json(folder / artifacts.TEST_METRICS)
    assert after == measure(predictions) | before
    assert set(after) == set(measure(predictions)) | {"loss", "accuracy_without_tta"}


def test_the_heatmap_checks_get_their_new_names(old_run):
    folder, _ = old_run
    legacy.upgrade(folder)
    assert json.loads((folder / artifacts.GRADCAM_METRICS).read_text()) == {
        "layer2": CHECKS | {"height": 16},
        "layer3": CHECKS | {"height": 8, "randomized_correlation": 0.01},
    }


def test_the_oldest_runs_have_no_heatmaps(old_run):
    folder, _ = old_run
    (folder / artifacts.GRADCAM_METRICS).unlink()
    legacy.upgrade(folder)
    assert not (folder / artifacts.GRADCAM_METRICS).exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("confidence,cat,NA", "confidence,dog,NA"),
        ("\n0,cat,", "\n0,dog,"),
        ("\n1,NA,", "\n1,NA,NA,0.5,none,0.5,0,0\n1,NA,"),
        ("\n2,true,", '\n2,"true,'),
        ("index,actual", "index,label"),
        ("\n7,", "\n8,"),
    ],
)
def test_a_damaged_table_is_named(old_run, old, new):
    folder, _ = old_run
    path = folder / artifacts.PREDICTIONS
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=r"data/predictions\.csv: damaged.* to make it again$"):
        legacy.upgrade(folder)


def lock(*paths: Path) -> dict:
    outs = [{"path": path.as_posix(), "md5": str(number)} for number, path in enumerate(paths)]
    return {"stages": {"download": {"cmd": "python"}, "evaluate": {"outs": outs}}}


def test_a_run_is_old_if_it_has_no_file_of_probabilities():
    assert legacy.is_legacy(legacy.outputs(lock(artifacts.PREDICTIONS)))
    assert not legacy.is_legacy(legacy.outputs(lock(artifacts.PREDICTIONS, artifacts.PROBABILITIES)))
    assert legacy.outputs(lock(artifacts.PREDICTIONS, artifacts.TEST_METRICS)) == {
        "data/predictions.csv": "0",
        "metrics/test.json": "1",
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_old_workspace_is_read_and_left_alone(old_run, monkeypatch):
    folder, predictions = old_run
    md5 = hashlib.md5((folder / artifacts.PREDICTIONS).read_bytes(), usedforsecurity=False).hexdigest()
    stage = {"deps": [], "outs": [{"path": artifacts.PREDICTIONS.as_posix(), "md5": md5}]}
    (folder / "dvc.lock").write_text(yaml.safe_dump({"stages": {"evaluate": stage}}))
    (folder / artifacts.PARAMS).write_text("seed: 0\n")
    before = contents(folder)
    monkeypatch.chdir(folder)
    run = read_run()
    assert contents(folder) == before
    np.testing.assert_array_equal(run.predictions.probabilities, predictions.probabilities)
    assert run.class_accuracy["right"].tolist() == class_accuracy(predictions)["right"].tolist()
    assert run.heatmap_checks["randomized_correlation"] == 0.01
    assert run.metrics["confidence"] == measure(predictions)["confidence"]
