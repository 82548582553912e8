"""Where the project is, seen from itself and from one of DVC's copies of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src import places
from tests.conftest import ROOT
from tests.project import enter_copy


@pytest.fixture
def original(tmp_path, monkeypatch) -> Path:
    """A project, the working folder, whose .dvc is in the folder above it."""
    folder = tmp_path / "repository/ml"
    folder.mkdir(parents=True)
    (folder.parent / ".dvc").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return folder


@pytest.fixture
def copy(original, monkeypatch) -> Path:
    """A copy of that, the working folder."""
    folder = enter_copy(original.parent, monkeypatch) / "ml"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_in_the_project_itself_it_is_the_working_folder(original, monkeypatch):
    assert places.project() == Path()
    for root in (
        original.parent,
        original.parents[2],
    ):  # as DVC sets it, or as another project's stage left it
        monkeypatch.setenv("DVC_ROOT", str(root))
        assert places.project() == Path()
    assert places.dvc_root() == original.parent


def test_in_a_copy_it_is_the_folder_that_was_copied(original, copy):
    assert places.project() == original
    assert places.dvc_root() == copy.parent


def test_folders_reached_over_links(original, copy, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(original.parent)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "link"))
    assert places.project() == original
    # Where .dvc/tmp lies on another disk.
    elsewhere = tmp_path / "disk"
    (original.parent / ".dvc/tmp").rename(elsewhere)
    (original.parent / ".dvc/tmp").symlink_to(elsewhere)
    monkeypatch.chdir(elsewhere / "exps/standalone/tmp0/ml")
    assert places.project() == original


def test_what_is_named_is_there_in_a_copy_too(original, copy, tmp_path):
    (original / "weights.pt").touch()
    (original.parent / "photos").mkdir()
    assert places.given("weights.pt") == original / "weights.pt"
    assert places.given("../photos").samefile(original.parent / "photos")
    assert places.given(tmp_path) == tmp_path
    # Of what the copy has, its own counts.
    (copy / "weights.pt").touch()
    (copy.parent / "photos").mkdir()
    assert places.given("weights.pt") == Path("weights.pt")
    assert places.given("../photos") == Path("../photos")


def test_home_and_what_is_nowhere(original, monkeypatch):
    monkeypatch.setenv("HOME", str(original.parent))
    assert places.given("~/x") == original.parent / "x"
    assert places.given("x") == Path("x")


def test_what_a_copy_lacks(original, copy):
    (original / "pets").mkdir()
    (original / "labels.csv").touch()
    (original.parent / "photos").mkdir()
    lacks = "is in the project, but not in the copy of it where DVC runs this experiment; "
    assert places.why_missing(Path("labels.csv")) == f"{lacks}run `git add -N labels.csv`"
    assert places.why_missing(Path("pets")) == f"{lacks}run `dvc add pets` or `git add pets`"
    absolute = original.parent / "photos"
    assert places.why_missing(Path("../photos")) == f"{lacks}its absolute path works: {absolute}"
    (copy / "labels.csv").touch()
    for path in ("labels.csv", "nowhere", absolute):
        assert places.why_missing(Path(path)) == ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import src.mine", "src/mine.py"),
        ("from src.mine import thing", "src/mine.py"),
        ("from src import mine", "src/mine.py"),
        ("import src.family.mine", "src/family"),
        ("from src.artifacts import mine", None),  # a mistake of another kind
        ("import mine", None),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_a_new_module_that_git_does_not_know(original, copy, line, said, late):
    for folder in (original, copy):
        (folder / "src").mkdir()
        for module in ROOT.glob("src/*.py"):
            shutil.copy(module, folder / "src")
    (original / "src/mine.py").write_text("thing = 1\n")
    (original / "src/family").mkdir()
    (original / "src/family/mine.py").touch()
    if late:  # as stages do that may have nothing to do
        line = f"def main():\n    {line}\nrun_main('train', main)"
    done = subprocess.run(
        [sys.executable, "-c", f"from src.command import run_main\n{line}"],
        cwd=copy,
        env=os.environ | {"DVC_STAGE": "train"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    if said:
        [shown] = done.stderr.splitlines()
        assert shown.startswith(f"train: {said} is in the project, but not in the copy of it")
        assert f"git add {'' if said == 'src/family' else '-N '}{said}`" in shown
    else:
        assert "Error: " in done.stderr.splitlines()[-1]
