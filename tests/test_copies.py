"""What is said in the project about copies of it, before DVC fails to make one or to run in it."""

import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo

from src import copies
from src.errors import InputError
from tests.project import enter_copy

FAIL, LACK = (f"--temp and queued experiments {word} " for word in ("fail in", "lack"))


def git(*command: str) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *command], check=True)


def make(folder: Path, monkeypatch) -> None:
    """An empty project with git and DVC, the working folder."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    for name in ("DVC_SITE_CACHE_DIR", "HOME"):
        monkeypatch.setenv(name, str(folder.parent / "home"))
    git("init", "--quiet")
    Repo.init(str(folder)).close()


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Such a project, with `pets` and `src/new.py` that git does not know; beside it lies `photos`."""
    make(tmp_path / "project", monkeypatch)
    for path in ("pets/1.png", "../photos/1.png", "src/new.py", "src/notes.txt", "mine.csv"):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).touch()
    return tmp_path / "project"


def test_what_copies_will_lack(project):
    named = {"images.path": "pets", "images.table": "mine.csv"}
    assert copies.foresee(named) == [
        f"{LACK}src/new.py; run `git add -N src/new.py`",
        f"{LACK}images.path: pets; run `dvc add pets` or `git add pets`",
        f"{LACK}images.table: mine.csv; run `git add -N mine.csv`",
    ]
    git("add", "-N", "src/new.py", "mine.csv", "pets")
    assert copies.foresee(named) == []
    Path("pets/2.png").touch()  # DVC would copy the folder without it
    [line] = copies.foresee(named)
    assert line.startswith(f"{LACK}images.path: pets; ")


def test_what_dvc_or_everybody_knows_is_there(project):
    with Repo() as repo:
        repo.add("pets")
    git("add", "-N", "src/new.py")
    for path in ("pets", "pets/1.png", str(project / "pets"), "nowhere"):
        assert copies.foresee({"images.path": path}) == []


def test_what_lies_beside_the_project(project):
    git("add", "src/new.py")
    place = project.parent / "photos"
    assert copies.foresee({"images.path": "../photos"}) == [
        f"{LACK}images.path: ../photos; its absolute path works: {place}"
    ]
    assert copies.foresee({"images.path": str(place)}) == []


def test_nothing_is_foreseen_in_a_copy_or_without_git(project, tmp_path, monkeypatch):
    enter_copy(project, monkeypatch)
    Path("pets").mkdir()
    assert copies.foresee({"images.path": "pets"}) == []
    (tmp_path / "plain/pets").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "plain")
    assert copies.foresee({"images.path": "pets"}) == []
    monkeypatch.setenv("PATH", "")
    assert copies.foresee({"images.path": "pets"}) == []


@pytest.mark.parametrize("name", ["a b", "it's [1] & 100%", "50%_off"])
def test_folders_that_are_no_trouble(tmp_path, monkeypatch, name):
    make(tmp_path / name, monkeypatch)
    copies.require_possible()
    assert copies.foresee({}) == []


@pytest.mark.parametrize(("name", "sign"), [("a#b", "#"), ("why?", "?"), ("100%25", "%25"), ("zürich", "ü")])
def test_folders_in_which_dvc_makes_no_copies(tmp_path, monkeypatch, name, sign):
    make(tmp_path / name, monkeypatch)
    with pytest.raises(InputError, match=f"^{FAIL}") as raised:
        copies.require_possible()
    assert f"{tmp_path / name}: DVC trips over '{sign}' in" in str(raised.value)
    assert "move the project" in str(raised.value)
    assert copies.foresee({}) == [str(raised.value)]


def test_a_cache_elsewhere_is_enough_for_letters_beyond_ascii(tmp_path, monkeypatch):
    make(tmp_path / "zürich", monkeypatch)
    with Repo() as repo, repo.config.edit("local") as config:
        config["cache"]["dir"] = str(tmp_path / "cache")
    copies.require_possible()
