from pathlib import Path

import pytest

from src.report.links import Originals


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A project, the working folder, with `my pets/cat 1.jpg`; beside it a folder outside of it."""
    for name in ("project/my pets", "outside"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "cat 1.jpg").touch()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


@pytest.mark.parametrize(
    ("page", "base"), [("report.html", "./my%20pets/"), ("reports/a/b.html", "./../../my%20pets/")]
)
def test_inside_the_project_the_address_is_relative(page, base):
    for source in ("my pets", Path("my pets").resolve().as_posix()):
        originals = Originals(source, Path(page))
        assert originals.base == base
        assert originals.address("cat 1.jpg") == f"{base}cat%201.jpg"


def test_outside_of_it_it_is_absolute(folder):
    assert Originals("my pets", folder / "r.html").base == f"{(folder / 'project/my pets').as_uri()}/"
    assert Originals("../outside", Path("r.html")).base == f"{(folder / 'outside').as_uri()}/"


def test_only_what_is_there_is_linked(folder):
    originals = Originals("my pets", Path("r.html"))
    files = ["cat 1.jpg", "dog.jpg", "", "../../outside/cat 1.jpg", str(folder / "outside/cat 1.jpg"), "a\0b"]
    assert originals.exist(files) == [True, *[False] * 5]


@pytest.mark.parametrize("source", ["", "https://example.org", "gone"])
def test_a_dataset_without_files(source):
    originals = Originals(source, Path("r.html"))
    assert (originals.base, originals.exist(["a.jpg"])) == ("", [False])
