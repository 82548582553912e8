"""The chart library, and the pages of `dvc plots` that carry it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from src.errors import InputError
from src.report import vega
from tests import browser
from tests.conftest import ROOT


def test_the_file_is_as_the_script_makes_it():
    assert vega.DVC_PLOTS.read_text(encoding="utf-8") == vega.PAGE.replace("SCRIPTS", vega.scripts())
    found = re.findall(r"^/\*! (\S+) (\S+)\nCopyright .*\nAll rights reserved", vega.scripts(), re.MULTILINE)
    assert found == list(vega.PACKAGES.items())


@pytest.fixture
def npm(tmp_path, monkeypatch) -> Callable[[str], None]:
    """Writes an `npm` that does what a script says, alone in the path; the file is made elsewhere."""
    monkeypatch.setattr(vega, "DVC_PLOTS", tmp_path / "dvc_plots.html")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def install(script: str) -> None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/npm").write_text(f"#!{sys.executable}\n{script}")
        (tmp_path / "bin/npm").chmod(0o755)

    return install


# Packs a license and a script, by the names and with the content that are put in.
PACK = """
import io, json, sys, tarfile
name, _, version = sys.argv[-1].rpartition("@")
with tarfile.open("packed.tgz", "w:gz") as archive:
    for path, text in (("LICENSE", "Free."), (f"build/{name}.min.js", f"run('{name}');END")):
        info = tarfile.TarInfo(f"package/{path}")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text.encode()))
print(json.dumps([{"filename": "packed.tgz"}]))
"""


def test_the_library_is_made_from_the_packages(npm, capsys):
    npm(PACK.replace("END", r"\n//# sourceMappingURL=run.js.map"))
    vega.main()
    assert capsys.readouterr().out == f"{vega.DVC_PLOTS}\n"
    page = vega.DVC_PLOTS.read_text()
    assert page == vega.PAGE.replace("SCRIPTS", vega.scripts())
    assert "sourceMappingURL" not in page
    for name, version in vega.PACKAGES.items():
        assert f"<script>\n/*! {name} {version}\nFree.\n*/\nrun('{name}');\n</script>" in page


@pytest.mark.parametrize(
    ("script", "line"),
    [
        (PACK.replace("END", "</script>"), r"^vega@\S+: cannot be part of a page"),
        (PACK.replace("LICENSE", "README"), "^package/LICENSE: not a file of this npm package$"),
        (
            "raise SystemExit('npm error 404\\nno such package')",
            "cannot fetch it: npm error 404 no such package$",
        ),
    ],
)
def test_packages_that_are_no_good(npm, script, line):
    npm(script)
    with pytest.raises(InputError, match=line):
        vega.main()
    assert not vega.DVC_PLOTS.exists()


def test_no_npm(npm):
    with pytest.raises(InputError, match=r"^npm: not found"):
        vega.main()


def test_a_damaged_library_is_named(npm):
    vega.DVC_PLOTS.write_text("<html></html>")
    with pytest.raises(InputError, match=r"dvc_plots\.html: damaged"):
        vega.scripts()


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
