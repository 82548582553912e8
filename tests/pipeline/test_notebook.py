"""The notebook is run as Colab would run it, against the sample."""

import ast
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
    recipe = "resnet18-mean-fill"
    flags = "-S dataset=sample -S epochs=1 -S batch_size=50 -S misclassified.count=2"
    values = {"REPOSITORY": project.folder, "RECIPE": recipe, "FLAGS": flags}
    settings.source = "\n".join(f"%env {name}={value}" for name, value in values.items())

    # Stops at the first cell that fails.
    NotebookClient(notebook, timeout=280, resources={"metadata": {"path": tmp_path / "colab"}}).execute()
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [data for data in shown if "image/png" in data]
    assert len(pictures) == 2 + 1 + 2 + 1  # samples, mistakes, a heatmap for each of two, probes
    assert any("vegaEmbed" in data.get("text/html", "") for data in shown)
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "11,173,962" in printed
    assert "accuracy" in printed
    # The recipe asks for event files, which lie under the experiment's name.
    assert len(list((tmp_path / "colab/blindspot" / artifacts.TENSORBOARD / recipe).glob("events*"))) == 1


def test_a_misspelled_recipe_trains_nothing(notebook):
    sources = [cell.source for cell in notebook.cells]
    [cell] = [source for source in sources if source.startswith("%%bash") and "dvc exp run" in source]
    script = "dvc() { echo trained; }\n" + cell.removeprefix("%%bash\n")
    for recipe, output in (("custom-resnet", "trained\n"), ("custom-resnt", "")):
        values = {**os.environ, "RECIPE": recipe, "FLAGS": ""}
        done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=values, stdout=subprocess.PIPE, text=True)
        assert (done.returncode == 0, done.stdout) == (bool(output), output)
