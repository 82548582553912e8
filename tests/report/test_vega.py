"""The chart library, and the pages of `dvc plots` that carry it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from src.report import vega
from tests import browser
from tests.conftest import ROOT


def test_the_file_is_as_the_script_makes_it():
    assert vega.DVC_PLOTS.read_text(encoding="utf-8") == vega.PAGE.replace("SCRIPTS", vega.scripts())
    found = re.findall(r"^/\*! (\S+) (\S+)\nCopyright .*\nAll rights reserved", vega.scripts(), re.MULTILINE)
    assert found == list(vega.PACKAGES.items())


@pytest.fixture
def plots(tmp_path) -> Path:
    """A project with the charts of this one, and no more."""
    shutil.copytree(ROOT / "src/report/web", tmp_path / "src/report/web")
    content = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    charts = content["plots"]
    for stage in content["stages"].values():
        for plot in stage.get("plots", []):
            if isinstance(plot, dict):  # a chart; the others are pictures
                [(path, options)] = plot.items()
                charts.append({path: {key: value for key, value in options.items() if key != "cache"}})
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"plots": charts}))
    (tmp_path / "plots").mkdir()
    for name, rows in {
        "training": "epoch,lr,train_loss,train_accuracy,val_loss,val_accuracy\n1,0.1,2,0.5,2,0.4",
        "confusion": "actual,predicted\ncat,cat\ncat,dog\ndog,dog",
        "class_accuracy": "class,accuracy,low,high,images,right\ncat,0.5,0.1,0.9,2,1\ndog,1,0.3,1,1,1",
        "lr_range": "lr,loss,smoothed,chosen\n0.1,,,0.1",
    }.items():
        (tmp_path / f"plots/{name}.csv").write_text(f"{rows}\n")
    run(tmp_path, "git", "init", "--quiet")
    run(tmp_path, "dvc", "init", "--quiet")
    shutil.copy(ROOT / ".dvc/config", tmp_path / ".dvc/config")
    shutil.copytree(ROOT / ".dvc/plots", tmp_path / ".dvc/plots")
    run(tmp_path, "git", "add", "--all")
    identity = ("-c", "user.name=tester", "-c", "user.email=tester@example.org")
    run(tmp_path, "git", *identity, "commit", "--quiet", "--message=Start")
    return tmp_path


def run(folder: Path, *command: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, check=True, capture_output=True)


@pytest.mark.parametrize("command", [("show",), ("diff", "HEAD")])
def test_the_charts_of_dvc_plots_need_no_network(plots, command):
    with (plots / "plots/training.csv").open("a") as file:
        file.write("2,0,1,0.8,1,0.7\n")
    run(plots, "dvc", "plots", *command)
    with browser.started() as chromium:
        visited = browser.Visit(chromium, plots / "dvc_plots/index.html")
        for chart in (
            "Loss",
            "Accuracy",
            "plots_lr_range_csv",
            "plots_training_csv",
            "plots_confusion_csv",
            "plots_class_accuracy_csv",
        ):
            visited.page.wait_for_selector(f"#{chart} canvas, #{chart} svg")
        assert visited.requests == []
        # DVC's specifications are of an older Vega-Lite, which this one reads and says so.
        assert [p for p in visited.problems if not p.startswith("WARN")] == []
