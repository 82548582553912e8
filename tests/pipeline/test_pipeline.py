"""What `dvc repro` made: all that is declared, and numbers that agree with each other."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from src import artifacts, schema
from src.params_file import flatten
from tests.conftest import ROOT, shipped_params
from tests.project import SHOWN, STAGES, Project, stages_run, tracing


def read_json(project: Project, path: Path) -> dict:
    return json.loads((project.folder / path).read_text())


def read_csv(project: Project, path: Path) -> list[dict[str, str]]:
    with (project.folder / path).open() as file:
        return list(csv.DictReader(file))


def imports(finished: Project, stage: str) -> dict[str, list[str]]:
    return json.loads((finished.folder.parent / f"traces/{stage}.json").read_text())


def test_every_stage_ran_in_order(finished):
    assert stages_run((finished.folder.parent / "repro.txt").read_text()) == STAGES


def test_everything_declared_is_there_and_ignored_or_kept_by_git(project):
    for paths in project.outputs().values():
        assert all(path.exists() for path in paths)
    new = project.run("git", "status", "--porcelain").splitlines()
    small = [
        "metrics/blindspots.json",
        "metrics/dataset.json",
        "metrics/gradcam.json",
        "metrics/stats.json",
        "metrics/test.json",
        "metrics/train.json",
    ]
    small += ["plots/class_accuracy.csv", "plots/confusion.csv", "plots/lr_range.csv", "plots/training.csv"]
    assert new == [f"?? {name}" for name in ["dvc.lock", *small]]
    # So nothing is written that is not declared, and nothing runs twice.
    assert stages_run(project.run("dvc", "repro")) == []


def test_predictions_and_what_is_derived_from_them_agree(finished):
    test = read_json(finished, artifacts.TEST_METRICS)
    rows = read_csv(finished, artifacts.PREDICTIONS)
    classes = list(test["per_class"])
    assert len(classes) == 10
    assert list(rows[0]) == ["index", "file", "actual", "predicted", "confidence"]
    assert [int(row["index"]) for row in rows] == list(range(100))
    assert {row["file"] for row in rows} == {""}

    probabilities = np.load(finished.folder / artifacts.PROBABILITIES)
    assert (probabilities.dtype, probabilities.shape) == (np.float32, (100, 10))
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    assert [row["predicted"] for row in rows] == [classes[best] for best in probabilities.argmax(1)]
    shown = [float(row["confidence"]) for row in rows]
    np.testing.assert_allclose(shown, probabilities.max(1), rtol=1e-7)
    assert test["confidence"] == pytest.approx(np.mean(shown))

    right = [row["actual"] == row["predicted"] for row in rows]
    assert test["accuracy"] == pytest.approx(sum(right) / 100)
    assert test["accuracy_low"] < test["accuracy"] < test["accuracy_high"]
    labels = [classes.index(row["actual"]) for row in rows]
    assert test["loss"] == pytest.approx(-np.log(probabilities[range(100), labels]).mean(), rel=1e-5)

    by_class = read_csv(finished, artifacts.CLASS_ACCURACY)
    assert [row["class"] for row in by_class] == classes
    for row in by_class:
        mine = [ok for ok, other in zip(right, rows, strict=True) if other["actual"] == row["class"]]
        assert (int(row["right"]), int(row["images"])) == (sum(mine), len(mine))
        assert float(row["accuracy"]) == pytest.approx(np.mean(mine)) == test["per_class"][row["class"]]
        assert float(row["low"]) <= float(row["accuracy"]) <= float(row["high"])

    pairs = [(row["actual"], row["predicted"]) for row in rows]
    assert [tuple(row.values()) for row in read_csv(finished, artifacts.CONFUSION)] == pairs
    cells = {
        (row["actual"], row["predicted"]): int(row["images"])
        for row in read_csv(finished, artifacts.CONFUSION_MATRIX)
    }
    assert cells == pd.Series(pairs).value_counts().to_dict()


def test_embeddings_are_what_the_last_layer_judges_by(finished):
    embeddings = np.load(finished.folder / artifacts.EMBEDDINGS)
    assert (embeddings.dtype, embeddings.shape) == (np.float16, (100, 256))
    weights = torch.load(finished.folder / artifacts.TRAINED_MODEL, weights_only=True)["weights"]
    logits = embeddings.astype(np.float32) @ weights["linear.weight"].numpy().T
    labels = np.load(finished.folder / artifacts.DATASET / "test_labels.npy")
    right = float((logits.argmax(1) == labels).mean())
    assert right == read_json(finished, artifacts.TEST_METRICS)["accuracy_without_tta"]


def test_blind_spots_and_what_is_said_of_them_agree(finished):
    figures = read_json(finished, artifacts.BLINDSPOT_METRICS)
    rows = read_csv(finished, artifacts.BLINDSPOTS)
    assert figures["confirmed"] == len(figures["spots"]) == len({row["spot"] for row in rows})
    assert figures["total"] == 100
    attributes = read_csv(finished, artifacts.ATTRIBUTES)
    assert [int(row["index"]) for row in attributes] == list(range(100))
    assert len(attributes[0]) > 10


def test_the_curves_and_the_figures_of_the_training_agree(finished):
    train, curves = (
        read_json(finished, artifacts.TRAIN_METRICS),
        read_csv(finished, artifacts.TRAINING_CURVES),
    )
    assert list(curves[0]) == ["epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]
    assert [row["epoch"] for row in curves] == ["1", "2"]
    last = {name: float(curves[-1][name]) for name in curves[-1] if name not in ("epoch", "lr")}
    best = max(range(2), key=lambda row: float(curves[row]["val_accuracy"]))
    assert train == {**last, "best_epoch": best + 1}


def test_the_mistakes_shown_are_the_surest_ones(finished):
    mistakes = read_csv(finished, artifacts.MISCLASSIFIED)
    assert len(mistakes) == SHOWN == len(list((finished.folder / artifacts.GRADCAM).glob("*.png")))
    rows = {row["index"]: row for row in read_csv(finished, artifacts.PREDICTIONS)}
    wrong = [row for row in rows.values() if row["actual"] != row["predicted"]]
    surest = sorted((float(row["confidence"]) for row in wrong), reverse=True)[:SHOWN]
    assert [float(row["confidence"]) for row in mistakes] == surest
    issues = {row["index"] for row in read_csv(finished, artifacts.LABEL_ISSUES)}
    classes = list(read_json(finished, artifacts.TEST_METRICS)["per_class"])
    probabilities = np.load(finished.folder / artifacts.PROBABILITIES)
    for row in mistakes:
        assert rows[row["index"]].items() <= row.items()
        actual = probabilities[int(row["index"]), classes.index(row["actual"])]
        assert float(row["actual_probability"]) == pytest.approx(actual)
        assert row["label_issue"] == ("true" if row["index"] in issues else "false")


def test_label_issues_are_ranked_and_about_mistakes(finished):
    issues = read_csv(finished, artifacts.LABEL_ISSUES)
    assert issues  # an all but untrained model doubts many labels
    scores = [float(row["score"]) for row in issues]
    assert scores == sorted(scores)
    rows = {row["index"]: row for row in read_csv(finished, artifacts.PREDICTIONS)}
    for row in issues:
        assert (row["label"], row["suggested"]) == (
            rows[row["index"]]["actual"],
            rows[row["index"]]["predicted"],
        )


def test_heatmaps_and_their_checks(finished):
    layer = read_json(finished, artifacts.GRADCAM_METRICS)["layer3"]
    assert layer["height"] == layer["width"] == 9
    assert layer["differing_answers"] == 0
    assert -1 <= layer["randomized_correlation"] < 0.9
    assert all(0 < layer[name + end] < 1 for name in ("deletion", "insertion") for end in ("", "_random"))
    maps = np.load(finished.folder / artifacts.HEATMAPS)
    assert (maps.shape, maps.dtype) == ((100, 9, 9), np.uint8)
    assert set(maps.max((1, 2))) <= {0, 255}


def test_the_model_has_seen_the_data_before_it_was_trained(finished):
    weights = torch.load(finished.folder / artifacts.TRAINED_MODEL, weights_only=True)["weights"]
    whitening = weights["whitening.weight"]
    assert torch.equal(whitening[:12], -whitening[12:])


@pytest.mark.parametrize(
    "table",
    [value for value in vars(schema).values() if isinstance(value, schema.TableSchema)],
    ids=lambda t: t.path.stem,
)
def test_tables_are_as_the_schema_has_them(finished, table):
    header = (finished.folder / table.path).read_text().partition("\n")[0]
    assert header.split(",") == list(table.columns)
    classes = json.loads((finished.folder / artifacts.DATASET / "meta.json").read_text())["classes"]
    assert list(schema.read_table(table, classes, finished.folder)) == list(table.columns)


def test_no_group_hides_a_size_from_the_run_cache():
    # It leaves `size` and `nfiles` out of its keys, inside groups of parameters too.
    hidden = {path.split(".")[0] for path, _ in flatten(shipped_params()) if path.split(".")[-1] == "size"}
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    tracked = {name for stage in stages.values() for name in stage.get("params", ())}
    assert hidden == {"images"}
    assert not tracked & hidden
    assert {name for name in tracked if name.startswith("images.")} == {
        f"images.{key}" for key in shipped_params()["images"]
    }


# --- dependencies and imports


@pytest.fixture(scope="session")
def imported_at_need(finished, made_once) -> dict[str, list[str]]:
    """What find_lr and find_label_issues import when they have something to find; download of own images."""

    def fill(folder: Path) -> None:
        project = finished.copy(folder / "project")
        for label in "ab":
            (folder / "pictures" / label).mkdir(parents=True)
            for number in range(2):
                pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
                Image.fromarray(pixels + ord(label)).save(folder / f"pictures/{label}/{number}.png")
        project.change({"label_issues": True, "epochs": 1})
        project.run("python", "-m", "stages.find_label_issues", **tracing(folder))
        project.change({"optimizer.name": "sgd", "optimizer.lr": "find"})
        project.run("python", "-m", "stages.find_lr", **tracing(folder))
        project.change({"dataset": "images", "images.path": str(folder / "pictures")})
        project.run("python", "-m", "stages.download", **tracing(folder))

    folder = made_once("imported-at-need", fill)
    return {
        stage: json.loads((folder / f"{stage}.json").read_text())["modules"]
        for stage in ("find_lr", "find_label_issues", "download")
    }


@pytest.mark.parametrize("stage", STAGES)
def test_declared_dependencies_are_the_real_imports(finished, imported_at_need, stage):
    modules = {*imports(finished, stage)["modules"], *imported_at_need.get(stage, [])}
    real = {module for module in modules if module.startswith(("src/", "stages/"))}
    real = {module for module in real if not module.endswith("__init__.py")}  # docstrings, see test_structure
    declared = {
        dep
        for dep in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["deps"]
        if dep.startswith(("src", "stages"))
    }
    covered = set()
    for dep in declared:
        inside = {path.relative_to(ROOT).as_posix() for path in (ROOT / dep).rglob("*.py")} or {dep}
        covered |= {module for module in inside if not module.endswith("__init__.py")}
    assert real - covered == set(), "imported, but not declared"
    assert covered - real == set(), "declared, but not imported"


@pytest.mark.parametrize(
    "stage", ["download", "compute_mean_std", "find_lr", "find_misclassified", "find_label_issues"]
)
def test_light_stages_stay_light(finished, stage):
    assert imports(finished, stage)["heavy"] == []


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_calls_home(finished, stage):
    assert imports(finished, stage)["network"] == []
