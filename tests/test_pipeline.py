"""The whole pipeline through DVC, in the order a user would come by it."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from tests.conftest import ROOT, shipped_params
from tests.project import Project

STAGES = [
    "download",
    "compute_mean_std",
    "find_lr",
    "train",
    "evaluate",
    "find_misclassified",
    "gradcam",
]


@pytest.fixture(scope="module")
def traces(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="module")
def project(tmp_path_factory, tiny, traces) -> Project:
    """After `dvc repro`; the results of its experiments build on each other from test to test."""
    project = Project(tmp_path_factory.mktemp("project"), tiny)
    assert project.stages_run(project.run("dvc", "repro", **tracing(traces))) == STAGES
    return project


def tracing(folder: Path) -> dict[str, str]:
    """The environment in which every stage notes in `folder` what it imports."""
    return {"PYTHONPATH": str(ROOT / "tests/tracing"), "TRACE_IMPORTS_TO": str(folder)}


def imports(folder: Path, stage: str) -> dict[str, list[str]]:
    return json.loads((folder / f"{stage}.json").read_text())


def read_json(project: Project, name: str) -> dict:
    return json.loads((project.folder / name).read_text())


def test_everything_declared_is_there_and_ignored_or_kept_by_git(project):
    for paths in project.outputs().values():
        assert all(path.exists() for path in paths)
    new = project.run("git", "status", "--porcelain").splitlines()
    small = ["metrics/gradcam.json", "metrics/stats.json", "metrics/test.json", "metrics/train.json"]
    small += ["plots/class_accuracy.csv", "plots/confusion.csv", "plots/lr_range.csv", "plots/training.csv"]
    assert new == [f"?? {name}" for name in ["dvc.lock", *small]]


def test_the_numbers_agree_with_each_other(project):
    test, train = read_json(project, "metrics/test.json"), read_json(project, "metrics/train.json")
    with (project.folder / "data/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == list(range(100))
    right = [row["actual"] == row["predicted"] for row in rows]
    assert test["accuracy"] == pytest.approx(sum(right) / 100)
    assert test["accuracy"] == pytest.approx(sum(test["per_class"].values()) / 10)
    assert len(test["per_class"]) == 10
    for row in rows:
        probabilities = {name: float(row[name]) for name in test["per_class"]}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-6)
        assert row["predicted"] == max(probabilities, key=probabilities.get)
        assert row["confidence"] == row[row["predicted"]]

    with (project.folder / "plots/training.csv").open() as file:
        curves = list(csv.DictReader(file))
    assert list(curves[0]) == ["epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy"]
    assert [row["epoch"] for row in curves] == ["1", "2"]
    assert train["val_loss"] == float(curves[-1]["val_loss"])
    best = max(range(2), key=lambda n: float(curves[n]["val_accuracy"]))
    assert train["best_epoch"] == best + 1
    assert set(train) == {"train_loss", "train_accuracy", "val_loss", "val_accuracy", "best_epoch"}

    with (project.folder / "data/misclassified.csv").open() as file:
        mistakes = list(csv.DictReader(file))
    assert len(mistakes) == 10 == len(list((project.folder / "plots/gradcam").glob("*.png")))
    wrong = [row for row in rows if row["actual"] != row["predicted"]]
    assert mistakes[0]["confidence"] == max((row["confidence"] for row in wrong), key=float)
    assert "1,972,792" in (project.folder / "data/model_summary.txt").read_text()

    assert 0 < test["accuracy_low"] < test["accuracy"] < test["accuracy_high"] < 1
    assert 0 <= test["calibration_error"] < 1
    assert {row["label_doubted"] for row in mistakes} <= {"true", "false"}
    layer = read_json(project, "metrics/gradcam.json")["layer3"]
    assert layer["height"] == 4
    assert -1 <= layer["scrambled_correlation"] < 0.9
    assert all(0 < layer[name + end] < 1 for name in ("deletion", "insertion") for end in ("", "_random"))
    maps = np.load(project.folder / "data/heatmaps.npy")
    assert (maps.shape, maps.dtype) == ((100, 4, 4), np.uint8)
    assert set(maps.max((1, 2))) <= {0, 255}


def test_the_model_has_seen_the_data_before_it_was_trained(project):
    weights = torch.load(project.folder / "data/model.pt", weights_only=True)["weights"]["whitening.weight"]
    assert torch.equal(weights[:12], -weights[12:])


def test_declared_dependencies_are_the_real_imports(project, traces, tmp_path):
    # What a range test takes is imported only where there is one.
    project.edit({"name: muon": "name: sgd", f"lr: {shipped_params()['optimizer']['lr']}": "lr: find"})
    project.run("python", "-m", "stages.find_lr", **tracing(tmp_path))
    project.run("git", "restore", "params.yaml")
    project.run("python", "-m", "stages.find_lr")
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    docstrings = {"src/__init__.py", "stages/__init__.py"}  # nothing but one in each
    models = {path.relative_to(ROOT).as_posix() for path in (ROOT / "src/models").glob("*.py")}
    for name, stage in stages.items():
        declared = {dep for dep in stage["deps"] if dep.startswith(("src", "stages"))}
        real = set(imports(tmp_path if name == "find_lr" else traces, name)["modules"]) - docstrings
        real = {module for module in real if module.startswith(("src/", "stages/"))}
        if "src/models" in declared:
            # Which file of the folder is used is up to `model`.
            assert real & models > {"src/models/__init__.py"}, name
            real = real - models | {"src/models"}
        assert declared == real, name


@pytest.mark.parametrize("stage", ["download", "compute_mean_std", "find_lr", "find_misclassified"])
def test_light_stages_stay_light(project, traces, stage):
    assert imports(traces, stage)["heavy"] == []


def test_nothing_calls_home(project, traces):
    for stage in STAGES:
        assert json.loads((traces / f"{stage}.json").read_text())["network"] == []


def test_nothing_runs_twice(project):
    assert project.stages_run(project.run("dvc", "repro")) == []


def test_an_experiment_and_its_differences(project):
    output = project.run("dvc", "exp", "run", "--name", "before")
    assert project.stages_run(output) == []
    output = project.run("dvc", "exp", "run", "--name", "longer", "-S", "epochs=3")
    assert project.stages_run(output) == STAGES[2:]
    difference = json.loads(project.run("dvc", "metrics", "diff", "before", "longer", "--json"))
    assert "accuracy" in difference["metrics/test.json"]
    assert any(name.startswith("per_class.") for name in difference["metrics/test.json"])

    project.run("dvc", "plots", "diff", "before", "longer")
    page = (project.folder / "dvc_plots/index.html").read_text()
    for title in (
        "Loss",
        "Accuracy",
        "Learning rate",
        "Confusion on the test split",
        "Test accuracy of each",
    ):
        assert title in page
    for column in ("train_loss", "val_loss", "train_accuracy", "val_accuracy"):
        assert column in page
    for experiment in ("before", "longer"):
        pictures = {path.name for path in (project.folder / "dvc_plots/static").glob(f"{experiment}*")}
        for picture in ("gradcam_01", "gradcam_10", "gradcam_probes", "misclassified", "train_samples"):
            assert f"{experiment}_plots_{picture}.png" in pictures


def test_only_what_is_concerned_runs_again(project):
    output = project.run("dvc", "exp", "run", "-S", "misclassified.count=3")
    assert project.stages_run(output) == ["find_misclassified", "gradcam"]
    assert sorted(path.name for path in (project.folder / "plots/gradcam").iterdir()) == [
        "01.png",
        "02.png",
        "03.png",
    ]
    output = project.run("dvc", "exp", "run", "-S", "evaluate.tta=none")
    assert project.stages_run(output) == ["evaluate", "find_misclassified", "gradcam"]
    test = read_json(project, "metrics/test.json")
    assert test["accuracy"] == test["accuracy_without_tta"]
    layers = ["-S", "gradcam.layers=[layer2,layer3]", "-S", "gradcam.classes=actual"]
    assert project.stages_run(project.run("dvc", "exp", "run", *layers)) == ["gradcam"]
    explained = read_json(project, "metrics/gradcam.json")
    assert list(explained) == ["layer2", "layer3"]
    assert list(explained["layer2"]["without_positive_evidence"]) == ["actual"]


def test_a_found_rate_is_shown_and_trained_with(project):
    project.run("git", "restore", "params.yaml")
    sgd = ["-S", "optimizer.name=sgd", "-S", "optimizer.lr=find", "-S", "schedule.name=constant"]
    project.run("dvc", "exp", "run", "--name", "found", "-S", "epochs=1", *sgd)
    found = read_json(project, "data/lr.json")["lr"]
    for name, column in (("training", "lr"), ("lr_range", "chosen")):
        with (project.folder / f"plots/{name}.csv").open() as file:
            assert {float(row[column]) for row in csv.DictReader(file)} == {found}
    # Beside a run without a range test.
    project.run("dvc", "plots", "diff", "found", "before")
    assert "Range test and the rate chosen" in (project.folder / "dvc_plots/index.html").read_text()


def test_a_small_rate_goes_all_the_way(project):
    project.run("git", "restore", "params.yaml")
    project.run("dvc", "exp", "run", "-S", "optimizer.lr=1e-5", "-S", "epochs=1")
    assert re.search(r"lr: 1e-05\b", (project.folder / "params.yaml").read_text())
    assert read_json(project, "metrics/train.json")["best_epoch"] == 1


def test_the_same_bytes_from_every_run_and_any_number_of_workers(project):
    project.run("git", "restore", "params.yaml")
    project.run("dvc", "repro", "--force")
    first = project.sums()
    assert len(first) == 34
    for workers in (1, 2):
        project.edit({f"workers: {'auto' if workers == 1 else 1}": f"workers: {workers}"})
        assert project.stages_run(project.run("dvc", "repro", "--force")) == STAGES
        assert project.sums() == first
    project.edit({"workers: 2": "workers: auto"})


def test_a_failed_run_is_mended_by_putting_the_parameter_back(project):
    project.run("git", "restore", "params.yaml")
    project.run("dvc", "repro")
    before = project.sums()
    project.edit({"epochs: 2": "epochs: -2"})
    assert project.attempt("dvc", "repro").returncode != 0
    project.edit({"epochs: -2": "epochs: 2"})
    assert project.stages_run(project.run("dvc", "repro")) == []
    assert project.sums() == before


def test_workspace_temporary_folder_and_queue_agree(project):
    change = ["-S", "seed=7", "-S", "epochs=1"]
    # Forced, or the run cache would answer for all but the first.
    project.run("dvc", "exp", "run", "--force", "--name", "workspace7", *change)
    project.run("dvc", "exp", "run", "--force", "--temp", "--name", "temp7", *change)
    for name in ("queue7", "twin7"):
        project.run("dvc", "exp", "run", "--force", "--queue", "--name", name, *change)
    project.run_queue("--jobs", "2")
    for other in ("temp7", "queue7", "twin7"):
        command = ("dvc", "metrics", "diff", "workspace7", other, "--json", "--all")
        for file in json.loads(project.run(*command)).values():
            assert all(not metric.get("diff") and metric["old"] == metric["new"] for metric in file.values())
        # The lock file holds the sum of every output, the model's and the pictures' too.
        assert project.lock(other) == project.lock("workspace7")


def test_validation_0_trains_on_everything_and_keeps_the_last_epoch(project):
    project.run("git", "restore", "params.yaml")
    output = project.run("dvc", "exp", "run", "-S", "validation=0", "-S", "epochs=2")
    assert "200 images to train on, 100 test images for the curve" in output
    test, train = read_json(project, "metrics/test.json"), read_json(project, "metrics/train.json")
    assert train["best_epoch"] == 2
    assert train["val_accuracy"] == pytest.approx(test["accuracy"])


def test_the_demo_twice_where_git_knows_nobody(tmp_path, tiny):
    project = Project(tmp_path, tiny)
    project.identity = {}
    for stages in (STAGES, []):
        output = project.run("make", "--old-file=.venv/ready", "demo", "DEMO=-S epochs=1")
        assert project.stages_run(output) == stages
        accuracy, report, pictures, page = output.splitlines()[-4:]
        shown = format(read_json(project, "metrics/test.json")["accuracy"], ".1%")
        assert accuracy == f"test accuracy: {shown}"
        for name in pictures.partition(":")[2].split(", "):
            assert (project.folder / name.strip()).exists()
        for link in (report, page):
            assert Path(link.partition("file://")[2]).is_file()
    assert "demo" in project.run("dvc", "exp", "list", "--name-only")
