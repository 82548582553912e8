"""Runs that were made elsewhere: their files are only in a DVC remote, until they are needed."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from src import artifacts, compare
from src.errors import InputError
from src.report import __main__ as report
from src.report.groups import read_group
from src.report.revision import files_of
from src.report.run import read_run
from tests.project import Project

STORAGE = "remote 'storage'"


@pytest.fixture(scope="module")
def shared(compared, tmp_path_factory) -> Path:
    """A folder with `remote` and `clone`, which has the project and its experiments but no cache."""
    folder = tmp_path_factory.mktemp("shared")
    project = compared.copy(folder / "project")
    # The experiments are older than this setting.
    project.run("dvc", "remote", "add", "--default", "storage", str(folder / "remote"))
    project.run("git", "commit", "--quiet", "--all", "--message=Remote")
    project.run("dvc", "push")
    shutil.copytree(project.folder / ".dvc/cache/files", folder / "remote/files", dirs_exist_ok=True)
    project.run("git", "clone", "--quiet", ".", str(folder / "clone"))
    Project(folder / "clone").run("git", "fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    return folder


@pytest.fixture
def project(shared, tmp_path, monkeypatch) -> Project:
    """A copy of the clone, and of the remote."""
    shutil.copytree(shared, tmp_path / "shared", ignore=shutil.ignore_patterns("project"))
    project = Project(tmp_path / "shared/clone")
    project.enter(monkeypatch)
    project.run("dvc", "remote", "modify", "storage", "url", str(tmp_path / "shared/remote"))
    project.run("git", "commit", "--quiet", "--all", "--message=Moved")
    return project


def in_cache() -> set[str]:
    """The sums of what is there."""
    return {"".join(path.parts[-2:]) for path in Path(".dvc/cache/files/md5").glob("*/*")}


def sums(project: Project, revision: str, *paths: Path) -> set[str]:
    lock = yaml.safe_load(project.show(revision, Path("dvc.lock")))
    outs = [out for stage in lock["stages"].values() for out in stage["outs"]]
    return {out["md5"] for out in outs if out["path"] in {path.as_posix() for path in paths}}


def test_what_is_needed_is_fetched_and_nothing_else(project, capsys):
    assert in_cache() == set()
    run = read_run("longer")
    assert run.images[:].any()
    assert run.heatmaps is not None
    said = capsys.readouterr().err.splitlines()
    place = re.escape(str(project.folder.parent / "remote"))
    assert all(
        re.fullmatch(rf"longer: fetching \d+ files? from the {STORAGE} \({place}\)", line) for line in said
    )
    assert len(said) == 2  # results; then the test images, which they name
    assert sums(project, "longer", artifacts.PREDICTIONS, artifacts.PROBABILITIES) <= in_cache()
    assert not sums(project, "longer", artifacts.TRAINED_MODEL) & in_cache()

    read_run("longer")
    assert capsys.readouterr().err == ""
    read_group("plain")  # has its own answers, and for the rest those of `main`
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_comparing_and_reporting_fetch_by_themselves(project, capsys):
    compare.main(["longer", "plain"])
    printed = capsys.readouterr()
    assert "Accuracy" in printed.out
    assert "fetching" in printed.err
    report.main(["longer"])
    assert Path("report.html").exists()


def test_a_model_is_fetched_to_predict_with_it(project):
    with files_of("longer", artifacts.TRAINED_MODEL) as folder:
        assert (folder / artifacts.TRAINED_MODEL).stat().st_size > 1000
    assert sums(project, "longer", artifacts.TRAINED_MODEL) <= in_cache()


def test_a_file_that_the_remote_lacks(project):
    [md5] = sums(project, "longer", artifacts.PREDICTIONS)
    (project.folder.parent / "remote/files/md5" / md5[:2] / md5[2:]).unlink()
    what = r"longer: data/predictions.csv is not in DVC's cache"
    with pytest.raises(
        InputError, match=rf"{what}, and the {STORAGE} \(.*\) did not .*`dvc push`"
    ) as refused:
        read_run("longer")
    assert len(str(refused.value).splitlines()) == 1


def test_what_is_optional_may_be_nowhere(project):
    [md5] = sums(project, "longer", artifacts.HEATMAPS)
    (project.folder.parent / "remote/files/md5" / md5[:2] / md5[2:]).unlink()
    assert read_run("longer").heatmaps is None


def test_a_remote_that_is_not_there(project):
    (project.folder.parent / "remote").rename(project.folder.parent / "away")
    with pytest.raises(
        InputError, match=rf"longer: data/\S+ is not in DVC's cache, and the {STORAGE} .*did not give"
    ):
        read_run("longer")


def test_a_remote_that_needs_more_than_is_installed(project):
    project.run("dvc", "remote", "modify", "--local", "storage", "url", "s3://bucket/path")
    with pytest.raises(
        InputError,
        match=rf"fetching it from the {STORAGE} \(s3://bucket/path\) failed: .*; `dvc fetch` says more",
    ):
        read_run("longer")


def test_without_any_remote(project):
    project.run("dvc", "remote", "remove", "storage")
    with pytest.raises(InputError, match="is not in DVC's cache, and no remote is set to fetch it from"):
        read_run("longer")


def test_a_project_in_a_folder_of_a_repository(compared, tmp_path, monkeypatch):
    """DVC's own folder is that of the repository, as `dvc init` makes it there."""
    inside = compared.copy(tmp_path / "repository/ml")
    shutil.rmtree(inside.folder / ".git")
    (inside.folder / ".dvc").rename(tmp_path / "repository/.dvc")
    repository = Project(tmp_path / "repository")
    repository.run("git", "init", "--quiet", "--initial-branch=main")
    repository.commit()
    inside.run("dvc", "remote", "add", "--default", "storage", str(tmp_path / "remote"))
    inside.run("dvc", "push")
    shutil.rmtree(tmp_path / "repository/.dvc/cache")
    inside.enter(monkeypatch)
    assert read_run("main").images[:].any()
    with pytest.raises(InputError, match=r"not the root of a project \(it has no dvc.yaml\)"):
        monkeypatch.chdir(tmp_path / "repository")
        read_run("main")


def test_files_are_linked_not_copied(compared, monkeypatch):
    compared.enter(monkeypatch)
    run = read_run("longer")
    images = run.copies.folder / artifacts.DATASET / "test_images.npy"
    assert images.resolve().is_relative_to(compared.folder / ".dvc/cache")
