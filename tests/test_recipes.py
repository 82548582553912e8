"""Every recipe is tested by being in the folder."""

import json
import re
from typing import Any

import pytest
import yaml

from recipes import PUBLISHED, enqueue
from src import params
from src.errors import InputError
from src.experiments import flatten
from tests.conftest import ROOT
from tests.project import Project

RECIPES = sorted(path for path in (ROOT / "recipes").iterdir() if path.is_file() and not path.suffix)
SHORT = "-S dataset=sample -S epochs=1 -S batch_size=50 -S schedule.peak=0.4"
MAPS = {"predicted": ["predicted"], "actual": ["actual"], "both": ["predicted", "actual"]}


@pytest.fixture(scope="module")
def project(tmp_path_factory, tiny):
    project = Project(tmp_path_factory.mktemp("recipes"), tiny)
    for stage in ("download", "compute_mean_std"):
        project.run("dvc", "repro", stage)
    return project


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_it_runs_through_the_pipeline(project, recipe):
    assert re.fullmatch(r"(-S [\w.]+=\S+\n)+", recipe.read_text())
    project.run("bash", "-c", f"dvc exp run --name {recipe.name} $(cat recipes/{recipe.name}) {SHORT}")
    for picture in ("train_samples", "test_samples", "misclassified", "gradcam_probes", "gradcam/10"):
        assert (project.folder / f"plots/{picture}.png").exists()
    settings = yaml.safe_load((project.folder / "params.yaml").read_text())
    explained = json.loads((project.folder / "metrics/gradcam.json").read_text())
    if settings["gradcam"]["layers"] != "auto":
        assert list(explained) == settings["gradcam"]["layers"]
    for layer in explained.values():
        assert list(layer["without_positive_evidence"]) == MAPS[settings["gradcam"]["classes"]]
    events = list((project.folder / "plots/tensorboard" / recipe.name).glob("events*"))
    assert len(events) == settings["tensorboard"]


def test_what_they_reached_is_printed_beside_what_was_reported(project):
    lines = project.run("python", "-m", "recipes.results").splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in rows] == list(PUBLISHED)
    assert rows[0][1] == "88.33%"
    assert all(row[4:] == ["sample", "1"] for row in rows)
    # The last one run is still in the workspace.
    [last] = [row for row in rows if row[0] == RECIPES[-1].name]
    accuracy = json.loads((project.folder / "metrics/test.json").read_text())["accuracy"]
    assert last[2] == format(accuracy, ".2%")


def test_all_can_be_queued_with_changes(tmp_path, tiny):
    project = Project(tmp_path, tiny)
    project.run("python", "-m", "recipes.enqueue", "-S", "dataset=sample", "-S", "epochs=9")
    queued = project.run("dvc", "queue", "status")
    for name in PUBLISHED:
        assert re.search(rf"{name}\s.*Queued", queued)
    assert "not run" in project.run("python", "-m", "recipes.results")
    unknown = project.attempt("python", "-m", "recipes.enqueue", "-S", "schedule.peek=5")
    assert unknown.returncode == 1
    [line] = unknown.stderr.splitlines()
    assert line.startswith("enqueue: unknown key 'schedule.peek'; did you mean 'schedule.peak'?")


@pytest.mark.parametrize(
    "form", [["-S", "{}"], ["-S{}"], ["--set-param={}"], ["-m", "x=y", "-S", "params.yaml:{}"]]
)
def test_a_misspelt_key_is_found_in_every_form(form):
    enqueue.check([part.format("schedule.peak=5") for part in form])
    with pytest.raises(InputError, match=r"unknown key 'schedule\.peek'"):
        enqueue.check([part.format("schedule.peek=5") for part in form])


def test_one_that_ran_on_several_commits_is_not_said_to_be_not_run(tmp_path, tiny):
    project = Project(tmp_path, tiny)
    for commit in ("0" * 40, "1" * 40):
        ref = f"refs/exps/{commit[:2]}/{commit[2:]}/custom-resnet"
        project.run("git", "update-ref", ref, "HEAD")
    assert "several: `dvc exp list --all-commits`" in project.run("python", "-m", "recipes.results")


def test_the_normalisations_can_be_queued_as_the_readme_says(tmp_path, tiny):
    project = Project(tmp_path, tiny)
    [line] = re.findall(r"dvc exp run --queue --name norm .*", (ROOT / "recipes/README.md").read_text())
    queued = re.findall(r"'norm=(\w+)'.*?Queued experiment '([\w-]+)'", project.run("bash", "-c", line), re.S)
    assert queued == [("batch", "norm-1"), ("layer", "norm-2"), ("group", "norm-3")]


def flags(recipe: str) -> dict[str, Any]:
    named = re.findall(r"-S ([\w.]+)=(\S+)", (ROOT / "recipes" / recipe).read_text())
    return {key: yaml.safe_load(value) for key, value in named}


def load(write_params, changes: dict[str, Any]) -> params.Params:
    return params.load(write_params(**{key.replace(".", "__"): value for key, value in changes.items()}))


# Of the machine, or of how things are done; and what only one value of another key makes use of.
NOT_NAMED = {"seed", "device", "precision", "workers", "threads", "deterministic", "evaluate.batch_size"}
CHOICES = ("optimizer.name", "optimizer.lr", "schedule.name")
USED_BY = {
    "muon": {"optimizer.adam_lr"},
    "find": {"find_lr.lowest", "find_lr.highest", "find_lr.steps"},
    "one_cycle": {f"schedule.{key}" for key in ("peak", "start_divisor", "end_divisor", "annihilation")},
    "plateau": {f"schedule.{key}" for key in ("factor", "patience", "threshold")},
}


@pytest.mark.parametrize("recipe", [recipe.name for recipe in RECIPES])
def test_what_ran_before_makes_no_difference(write_params, recipe):
    named = flags(recipe)
    everything = set(dict(flatten(load(write_params, named).model_dump())))
    used = set.union(*(USED_BY.get(named[key], set()) for key in CHOICES))
    assert set(named) == everything - NOT_NAMED - set.union(*USED_BY.values()) | used


# What the pages state.
CROP_ROTATE = {"augment.pad": 4, "augment.rotate": 18, "augment.flip": False}
SGD = {"optimizer.name": "sgd", "optimizer.momentum": 0.9}
STATED = {
    "resnet18-rotate": SGD
    | CROP_ROTATE
    | {"model": "resnet18", "norm": "batch", "augment.cutout": 16, "batch_size": 64, "epochs": 20}
    | {"optimizer.lr": 0.01, "schedule.name": "constant"},
    "resnet18-small-batch": SGD
    | {"model": "resnet18", "norm": "batch", "augment.cutout": 16, "batch_size": 4, "epochs": 20}
    | {"optimizer.lr": 0.001, "gradcam.classes": "actual", "misclassified.count": 10},
    "resnet18-mean-fill": {"model": "resnet18", "augment.pad": 4, "augment.cutout": 16, "epochs": 20}
    | {"optimizer.name": "sgd", "gradcam.classes": "predicted", "tensorboard": True},
    "custom-resnet": {"model": "custom_resnet", "augment.pad": 4, "augment.flip": True, "augment.cutout": 8}
    | {"epochs": 24, "batch_size": 512, "schedule.name": "one_cycle", "schedule.peak": 5}
    | {"schedule.annihilation": False, "optimizer.lr": "find", "label_smoothing": 0},
    "resnet18-layernorm": CROP_ROTATE
    | {"model": "resnet18", "norm": "layer", "epochs": 40, "batch_size": 128, "optimizer.name": "sgd"}
    | {"optimizer.lr": 0.03, "schedule.name": "plateau", "schedule.factor": 0.1, "schedule.patience": 2}
    | {"schedule.threshold": 0.001, "gradcam.layers": ["layer3", "layer4"], "gradcam.classes": "predicted"},
}


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_the_published_ones_are_what_their_pages_state(recipe):
    assert flags(recipe).items() >= STATED[recipe].items()


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_the_flags_that_the_readme_puts_behind_them_fit(write_params, recipe):
    readme = (ROOT / "recipes/README.md").read_text()
    [behind] = re.findall(r"recipes.enqueue .* e\.g\. (-S .*)", readme)
    changes = dict(re.findall(r"-S ([\w.]+)=(\S+)", behind))
    read = load(write_params, flags(recipe) | {key: yaml.safe_load(value) for key, value in changes.items()})
    assert read.dataset == "sample"


def test_the_published_ones_are_there():
    assert set(PUBLISHED) <= {recipe.name for recipe in RECIPES}


def test_each_is_described():
    described = (ROOT / "recipes/README.md").read_text()
    for recipe in RECIPES:
        assert f"`{recipe.name}`" in described
