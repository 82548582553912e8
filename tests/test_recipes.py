"""Every recipe is tested by being in the folder."""

import json
import re

import pytest
import yaml

from recipes import PUBLISHED
from src import params
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
    project.run("git", "restore", "params.yaml")
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
    assert "Key 'peek' is not in struct" in unknown.stderr
    assert f"enqueue: {', '.join(PUBLISHED)}: not queued" in unknown.stderr


@pytest.mark.parametrize("recipe", PUBLISHED)
def test_the_flags_that_the_readme_puts_behind_them_fit(write_params, recipe):
    readme = (ROOT / "recipes/README.md").read_text()
    [behind] = re.findall(r"recipes.enqueue .* e\.g\. (-S .*)", readme)
    changes = dict(re.findall(r"-S ([\w.]+)=(\S+)", f"{(ROOT / 'recipes' / recipe).read_text()} {behind}"))
    read = {key.replace(".", "__"): yaml.safe_load(value) for key, value in changes.items()}
    assert params.load(write_params(**read)).dataset == "sample"


def test_the_published_ones_are_there():
    assert set(PUBLISHED) <= {recipe.name for recipe in RECIPES}


def test_each_is_described():
    described = (ROOT / "recipes/README.md").read_text()
    for recipe in RECIPES:
        assert f"`{recipe.name}`" in described
