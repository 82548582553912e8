"""Every recipe is tested by being in the folder."""

import re

import pytest

from tests.conftest import ROOT
from tests.project import Project

RECIPES = sorted(path for path in (ROOT / "recipes").iterdir() if path.suffix != ".md")
SHORT = "-S dataset=sample -S epochs=1 -S batch_size=50 -S validation=0.1 -S schedule.peak=0.4"


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
    project.run("bash", "-c", f"dvc exp run $(cat recipes/{recipe.name}) {SHORT}")
    assert (project.folder / "plots/gradcam_probes.png").exists()


def test_each_is_described():
    described = (ROOT / "recipes/README.md").read_text()
    for recipe in RECIPES:
        assert f"`{recipe.name}`" in described
