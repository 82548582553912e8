"""The notebook is run as Colab would run it, against the sample."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient

from src import artifacts
from tests.conftest import ROOT
from tests.project import Project

NOTEBOOK = ROOT / "notebooks/colab.ipynb"


@pytest.fixture
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_defines_nothing_and_is_kept_without_outputs(notebook):
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(TransformerManager().transform_cell(cell.source))
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        assert not any(isinstance(node, kinds) for node in ast.walk(tree)), cell.source
        assert not cell.outputs


def test_it_shows_what_a_recipe_makes(notebook, project, tmp_path, monkeypatch):
    (tmp_path / "colab").mkdir()
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc-site-cache"))
    [settings] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    # A recipe with a range test, one cycle, and two layers of maps for either class of a mistake.
    recipe = "custom-resnet"
    flags = "-S dataset=sample -S epochs=1 -S batch_size=50 -S schedule.one_cycle.peak=0.4"
    flags += " -S misclassified.count=2"
    values = {"REPOSITORY": project.folder, "RECIPE": recipe, "FLAGS": f"{flags} -S tensorboard=true"}
    settings.source = "\n".join(f"%env {name}={value}" for name, value in values.items())

    # Stops at the first cell that fails.
    NotebookClient(notebook, timeout=280, resources={"metadata": {"path": tmp_path / "colab"}}).execute()
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [data for data in shown if "image/png" in data]
    assert len(pictures) == 2 + 1 + 2 + 1  # samples, mistakes, a heatmap for each of two, probes
    assert any("vegaEmbed" in data.get("text/html", "") for data in shown)
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "6,573,130" in printed
    assert "accuracy" in printed

    clone = Project(tmp_path / "colab/blindspot")
    explained = json.loads((clone.folder / artifacts.GRADCAM_METRICS).read_text())
    assert list(explained) == ["layer2", "layer3"]
    for layer in explained.values():
        assert list(layer["without_positive_evidence"]) == ["predicted", "actual"]
    # Event files lie under the experiment's name.
    assert len(list((clone.folder / artifacts.TENSORBOARD / recipe).glob("events*"))) == 1

    # What it reached is printed beside what was reported.
    lines = clone.run("python", "-m", "recipes.results").splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    [row] = [row[1:] for row in rows if row[0] == recipe]
    test = json.loads((clone.folder / artifacts.TEST_METRICS).read_text())
    train = json.loads((clone.folder / artifacts.TRAIN_METRICS).read_text())
    assert row == ["92.18%", f"{test['accuracy']:.2%}", f"{train['train_accuracy']:.2%}", "sample", "1"]


def test_a_misspelled_recipe_trains_nothing(notebook):
    sources = [cell.source for cell in notebook.cells]
    [cell] = [source for source in sources if source.startswith("%%bash") and "dvc exp run" in source]
    script = "dvc() { echo trained; }\n" + cell.removeprefix("%%bash\n")
    for recipe, output in (("custom-resnet", "trained\n"), ("custom-resnt", "")):
        values = {**os.environ, "RECIPE": recipe, "FLAGS": ""}
        done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=values, stdout=subprocess.PIPE, text=True)
        assert (done.returncode == 0, done.stdout) == (bool(output), output)
