"""A repository that git, DVC or the system refuse: one line, and a traceback for who wants it."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from src.errors import LibraryError
from src.report.revision import Revision
from tests.conftest import ROOT

USERS = ("USER", "LOGNAME", "LNAME", "USERNAME")


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """The working folder: a commit on `main` with a dvc.lock in it."""
    home, folder = tmp_path / "home", tmp_path / "project"
    for made in (home, folder / ".dvc"):
        made.mkdir(parents=True)
    for name, value in {
        "HOME": str(home),
        "DVC_SITE_CACHE_DIR": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    Path(".dvc/config").write_text("[core]\n    analytics = false\n")
    Path(".dvc/.gitignore").write_text("/tmp\n/cache\n/config.local\n")
    for name in ("dvc.yaml", "dvc.lock"):
        Path(name).write_text("stages: {}\n")
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "."],
        ["commit", "--quiet", "-m", "x"],
    ):
        subprocess.run(["git", *identity, *command], check=True)
    return folder


def write(path: str, text: str) -> Callable[[], None]:
    return lambda: Path(path).write_text(text) and None


def tmp_is_a_file() -> None:
    shutil.rmtree(".dvc/tmp", ignore_errors=True)
    Path(".dvc/tmp").touch()


def test_a_sound_repository_is_read(repository):
    assert Revision("main").name == "main"


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (write(".git/config", "[core"), "ValueError: expected trailing ]"),
        (write(".git/config", "[core]\n\trepositoryformatversion = 9\n"), "UnsupportedVersion: 9"),
        (write("../home/.gitconfig", "[core"), "ValueError: expected trailing ]"),
        (write(".git/HEAD", "ref: refs/heads/nowhere\n"), "SCMError: Empty git repo"),
        (lambda: Path(".git/HEAD").unlink(), r"SCMError: \S+/project is not a git repository"),
        (tmp_is_a_file, r"\S+/project/\.dvc/tmp: File exists"),
    ],
)
def test_what_is_broken_is_one_line(repository, damage, line):
    damage()
    said = f"^git or DVC failed: {line}; `git status` and `dvc status` may say more$"
    with pytest.raises(LibraryError, match=said):
        Revision("an-experiment")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_repository_of_another_user(repository):
    for path in (repository, repository / ".git"):
        os.chown(path, 12345, 12345)
    command = f'git config --global --add safe.directory "{repository}"'
    with pytest.raises(LibraryError, match="another user; if you trust it, run ") as error:
        Revision("main")
    assert f"`{command}`" in str(error.value)
    subprocess.run(command, shell=True, check=True)
    done = subprocess.run(
        [sys.executable, "-c", "from src.report.revision import Revision; Revision('main')"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},  # libgit2 reads such settings once in a process
        check=False,
    )
    assert done.returncode == 0


def test_a_user_without_an_entry(repository, monkeypatch):
    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in USERS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LibraryError, match=r"KeyError: getpwuid.*; if this user has no entry .* set USER"):
        Revision("main")
    monkeypatch.setenv("USER", "anybody")
    assert Revision("main").name == "main"
