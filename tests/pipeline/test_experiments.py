"""Experiments as a user makes them, with DVC's own commands."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from dvc.repo import Repo

from src import artifacts
from tests.conftest import shipped_params
from tests.project import SHOWN, STAGES, Project, call, replace, set_params, stages_run


def read_json(project: Project, path: Path) -> dict:
    return json.loads((project.folder / path).read_text())


def test_an_experiment_and_its_differences(compared, tmp_path):
    printed = {name: (compared.folder.parent / f"{name}.txt").read_text() for name in ("longer", "plain")}
    evaluated = ["evaluate", "find_misclassified", "gradcam", "find_blindspots", "find_label_issues"]
    assert stages_run(printed["longer"]) == ["find_lr", "train", *evaluated]
    assert stages_run(printed["plain"]) == evaluated

    project = compared.copy(tmp_path / "project")
    difference = json.loads(project.run("dvc", "metrics", "diff", "main", "longer", "--json"))
    assert "accuracy" in difference["metrics/test.json"]
    assert any(name.startswith("per_class.") for name in difference["metrics/test.json"])
    # The first view of each image is all there is without test-time augmentation.
    plain = json.loads(project.show("plain", artifacts.TEST_METRICS))
    assert plain["accuracy"] == plain["accuracy_without_tta"]

    project.run("dvc", "plots", "diff", "main", "longer")
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
    for revision in ("main", "longer"):
        pictures = {path.name for path in (project.folder / "dvc_plots/static").glob(f"{revision}*")}
        last = f"gradcam_{SHOWN:02}"
        for picture in ("gradcam_01", last, "gradcam_probes", "misclassified", "blindspots"):
            assert f"{revision}_plots_{picture}.png" in pictures


TRAINED = ["find_lr", "preview", "train"]
AGAIN = "find_label_issues"  # trains, too, if it is asked to
CHANGES = {
    "workers": (2, []),
    "tensorboard": (True, []),
    "seed": (1, [*TRAINED, "find_misclassified", "find_blindspots", AGAIN]),
    "model": ("resnet18", ["download", *TRAINED, AGAIN]),
    "augment.pad": (3, [*TRAINED, AGAIN]),
    "validation": (0.2, [*TRAINED, AGAIN]),
    "label_smoothing": (0, ["find_lr", "train", AGAIN]),
    "find_lr.steps": (50, ["find_lr"]),
    "schedule.one_cycle.peak": (1, ["train", AGAIN]),
    "ema": (0.9, ["train", AGAIN]),
    "precision": ("fp32", ["find_lr", "train", AGAIN]),
    "label_issues": (True, [AGAIN]),
    "evaluate.batch_size": (100, ["evaluate", AGAIN]),
    "misclassified.order": ("index", ["find_misclassified"]),
    "gradcam.layers": ("layer2", ["preview", "gradcam"]),
    "gradcam.classes": ("actual", ["gradcam"]),
}
CODE = {
    "src/figures.py": ["preview", "find_misclassified", "gradcam", "find_blindspots"],  # how pictures look
    "src/explanation/overlays.py": ["gradcam", "find_blindspots"],
    "src/blindspots/words.py": ["find_blindspots"],
    "src/download/cifar10.py": ["download"],
    "src/lr_finder.py": ["find_lr"],
    "src/training/loop.py": ["train", AGAIN],
    "src/cross_validation.py": [AGAIN],
    "src/models/fast.py": [*TRAINED, "evaluate", "gradcam", AGAIN],
    "src/evaluation/label_issues.py": ["evaluate", AGAIN],
    "src/report/page.py": [],
    "src/data/corrections.py": ["download", "evaluate", AGAIN],
    "data/corrections.csv": ["download", "evaluate", AGAIN],
    "stages/preview.py": ["preview"],
}


def test_only_what_is_concerned_would_run_again(project, monkeypatch):
    project.enter(monkeypatch)

    def outdated() -> list[str]:
        with Repo() as repo:
            return sorted(repo.status(), key=STAGES.index)

    assert outdated() == []
    path = project.folder / artifacts.PARAMS
    before = path.read_text()
    for key, (value, stages) in CHANGES.items():
        project.change({key: value})
        assert outdated() == stages, key
        replace(path, before)
    for name, stages in CODE.items():
        path = project.folder / name
        before = path.read_text()
        replace(path, before + "# changed\n")
        assert outdated() == stages, name
        replace(path, before)


def test_what_is_concerned_runs_again(project):
    changes = ["misclassified.count=3", "gradcam.layers=[layer2,layer3]", "gradcam.classes=actual"]
    flags = [part for change in changes for part in ("-S", change)]
    assert stages_run(project.run("dvc", "exp", "run", *flags)) == [
        "preview",
        "find_misclassified",
        "gradcam",
    ]
    pictures = sorted(path.name for path in (project.folder / artifacts.GRADCAM).iterdir())
    assert pictures == ["01.png", "02.png", "03.png"]
    explained = read_json(project, artifacts.GRADCAM_METRICS)
    assert list(explained) == ["layer2", "layer3"]
    assert list(explained["layer2"]["without_positive_evidence"]) == ["actual"]


def test_a_found_rate_is_shown_and_trained_with(project):
    project.commit()
    sgd = {"optimizer.name": "sgd", "optimizer.lr": "find", "schedule.name": "constant", "epochs": 1}
    project.change(sgd)
    assert stages_run(project.run("dvc", "repro", "train")) == ["find_lr", "train"]
    chosen = read_json(project, artifacts.LR)["lr"]
    assert chosen != shipped_params()["optimizer"]["lr"]
    for path, column in ((artifacts.TRAINING_CURVES, "lr"), (artifacts.LR_RANGE, "chosen")):
        assert pd.read_csv(project.folder / path)[column].to_numpy() == pytest.approx(chosen, rel=1e-5)
    # Beside a run without a range test.
    project.run("dvc", "plots", "diff", "HEAD")
    assert "Range test and the rate chosen" in (project.folder / "dvc_plots/index.html").read_text()


def test_a_small_rate_goes_all_the_way_and_validation_0_trains_on_everything(project, monkeypatch):
    flags = ["-S", "optimizer.lr=1e-5", "-S", "validation=0"]
    output = project.run("dvc", "exp", "run", "train", *flags)
    assert re.search(r"lr: 1e-05\b", (project.folder / artifacts.PARAMS).read_text())
    assert read_json(project, artifacts.LR) == {"lr": 1e-5}
    assert "200 images to train on, 100 test images for the validation curve" in output
    train = read_json(project, artifacts.TRAIN_METRICS)
    assert train["best_epoch"] == 2  # the last, not the best
    monkeypatch.chdir(project.folder)
    set_params(project.folder, {"evaluate.tta": "none"})
    call("evaluate")
    test = read_json(project, artifacts.TEST_METRICS)
    assert test["accuracy"] == test["accuracy_without_tta"] == pytest.approx(train["val_accuracy"])


def test_a_failed_run_is_mended_by_putting_the_parameter_back(project):
    before = project.sums()
    project.change({"epochs": -2})
    assert project.attempt("dvc", "repro").returncode != 0
    project.change({"epochs": 2})
    assert stages_run(project.run("dvc", "repro")) == []
    assert project.sums() == before


def test_workspace_temporary_folder_and_queue_agree_with_any_number_of_workers(project):
    # The workspace's run had none. The lock file holds the sum of every output, the model's and the pictures'
    # too, and no stage depends on `workers`; so locks that are equal are runs that agree to the bit.
    assert yaml.safe_load((project.folder / artifacts.PARAMS).read_text())["workers"] == 0
    lock = (project.folder / "dvc.lock").read_text()
    project.commit()
    # Forced, or the run cache would answer.
    force = ("dvc", "exp", "run", "--force")
    output = project.run(*force, "--temp", "--name", "temporary", "-S", "workers=1")
    assert stages_run(output) == STAGES
    # Two of the queue at once, so that both are at the same checkpoint.
    for name in ("queued", "twin"):
        project.run(*force, "--queue", "--name", name, "-S", "workers=2")
    project.run_queue("--jobs", "2")
    for name in ("temporary", "queued", "twin"):
        assert project.show(name, Path("dvc.lock")) == lock, name
