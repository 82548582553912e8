import errno
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from src.command import run_main
from src.errors import GateError, InputError, LibraryError
from tests.project import enter_copy


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


@pytest.fixture
def ending(capsys):
    """The line that a stage which raises an error ends with, with status 1 if no other is asked for."""

    def end(error: BaseException, expected: int = 1, **changes: int) -> str:
        def main() -> None:
            raise error

        with pytest.raises(SystemExit) as ended:
            run_main("train", main, **changes)
        assert ended.value.code == expected
        return capsys.readouterr().err.removesuffix("\n")

    return end


def test_bad_input_ends_in_its_line(ending):
    assert ending(InputError("epochs: missing")) == "train: epochs: missing"
    assert ending(InputError("one\ntwo")) == "train: one\ntrain: two"


def test_what_the_system_refuses_ends_in_its_words(ending):
    full = OSError(errno.ENOSPC, "No space left on device", "data/model.pt")
    assert ending(full) == "train: data/model.pt: No space left on device"
    assert ending(OSError(errno.EMFILE, "Too many open files")) == "train: Too many open files"


def test_only_a_failed_gate_ends_like_one(ending):
    assert ending(GateError("worse"), 1, status=2) == "train: worse"
    assert ending(InputError("epochs: missing"), 2, status=2) == "train: epochs: missing"
    assert ending(OSError(errno.ENOSPC, "No space left on device"), 2, status=2).endswith("device")
    assert ending(KeyboardInterrupt(), 2, status=2) == "train: interrupted"


def test_ctrl_c(ending):
    assert ending(KeyboardInterrupt()) == "train: interrupted"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ZeroDivisionError("division by zero"), "unexpected error: ZeroDivisionError: division by zero"),
        (KeyError("a\nb"), "unexpected error: KeyError: a b"),
        (OSError("no number and no file"), "unexpected error: OSError: no number and no file"),
        (LibraryError("git failed: why"), "git failed: why"),
    ],
)
def test_of_what_nobody_foresaw_the_traceback_is_kept(ending, tmp_path, monkeypatch, error, line):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    said, _, path = ending(error).partition("; the traceback is in ")
    assert said == f"train: {line}"
    text = Path(path).read_text()
    assert text.startswith("Traceback")
    assert "in main" in text


def test_there_may_be_no_place_for_a_traceback(ending, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/none")
    assert ending(ZeroDivisionError()) == (
        "train: unexpected error: ZeroDivisionError; BLINDSPOT_DEBUG=1 shows the traceback"
    )


def test_who_looks_for_a_bug_sees_its_traceback(ending, monkeypatch):
    monkeypatch.setenv("BLINDSPOT_DEBUG", "1")
    for error in (ZeroDivisionError(), LibraryError("git failed"), OSError(errno.ENOSPC, "full", "file")):
        lines = ending(error, 2, status=2).splitlines()
        assert lines[0].startswith("Traceback")
        assert str(error) in lines[-1]


def test_bad_input_has_no_traceback_even_then(ending, monkeypatch):
    monkeypatch.setenv("BLINDSPOT_DEBUG", "1")
    assert ending(InputError("epochs: missing")) == "train: epochs: missing"


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def living():
    """The number of a process that still runs."""
    process = subprocess.Popen(["sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


FOLDERS = ("data", "metrics", "plots", ".checkpoints", ".downloads")


def leave(project: Path, writer: object) -> set[Path]:
    """What a killed writer leaves in each folder: half a file, and half a folder with a file in it."""
    left = set()
    for name in FOLDERS:
        file, folder = (project / name / f".tmp-{writer}-{what}" for what in ("file.csv", "folder-old"))
        folder.mkdir(parents=True)
        (folder / "half.png").touch()
        file.touch()
        left |= {file, folder}
    return left


def remaining(project: Path) -> set[Path]:
    return {path for name in FOLDERS for path in (project / name).iterdir()}


def test_leftovers_of_dead_processes_are_removed_before_the_work_starts(project, dead):
    leave(project, dead)
    seen = []
    run_main("train", lambda: seen.append(remaining(project)))
    assert seen == [set()]


def test_what_a_living_process_writes_is_kept(project, living):
    left = leave(project, living)
    run_main("train", lambda: None)
    assert remaining(project) == left


def test_a_number_that_this_process_has_now_was_a_dead_ones(project):
    leave(project, os.getpid())
    run_main("train", lambda: None)
    assert remaining(project) == set()


def test_a_number_that_a_living_process_has_now_may_have_been_a_dead_ones(project, living):
    for path in leave(project, living):
        os.utime(path, (0, 0))  # written long before that process started
    run_main("train", lambda: None)
    assert remaining(project) == set()


def test_a_leftover_without_a_number_is_removed(project):
    leave(project, "model")  # as older versions named them
    run_main("train", lambda: None)
    assert remaining(project) == set()


def test_finished_files_are_kept(project, dead):
    (project / "data").mkdir()
    for name in ("model.pt", f"tmp-{dead}-model.pt"):
        (project / "data" / name).touch()
    run_main("train", lambda: None)
    assert len(list((project / "data").iterdir())) == 2


def test_a_temporary_copy_cleans_where_its_project_keeps_checkpoints(project, dead, monkeypatch):
    leave(project, dead)
    enter_copy(project, monkeypatch)
    run_main("train", lambda: None)
    assert {path.parent.name for path in remaining(project)} == {"data", "metrics", "plots"}
