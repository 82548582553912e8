"""No stage hangs, whatever the system lacks: it is never silent and idle for two minutes, and ends.

`make faults` runs every stage so; the watcher itself is tested always.
"""

import shutil
import sys
import time
from pathlib import Path

import psutil
import pytest

from src import artifacts, workers
from tests.conftest import ROOT
from tests.pipeline.test_images import SMALL, draw
from tests.project import STAGES, Project
from tests.starved import SHARED_MEMORY, needs_namespaces, without_shared_memory
from tests.watched import LIMIT, HangError, watched

# What runs a command in want of something.
CONDITIONS = {kind: without_shared_memory(kind) for kind in SHARED_MEMORY}
CONDITIONS["few files"] = ["bash", "-c", 'ulimit -n 30; exec "$0" "$@"']


def run(script: str, limit: float = 2) -> tuple[int, str]:
    return watched([sys.executable, "-uc", script], ROOT, limit=limit)


def test_the_watcher_sees_a_command_that_sleeps():
    with pytest.raises(HangError, match=r"silent and idle for 2 s after\nbegins\n$"):
        run("import time; print('begins'); time.sleep(600)")


def test_the_watcher_kills_children_too(tmp_path):
    with pytest.raises(HangError) as raised:
        run("import subprocess as s; child = s.Popen(['sleep', '600']); print(child.pid); child.wait()")
    child = int(str(raised.value).split()[-1])
    ends = time.monotonic() + 30  # a killed process takes a moment to end
    while (left := is_running(child)) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not left


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    "script",
    [
        "for _ in range(12): time.sleep(0.5); print('.')",
        "while time.monotonic() < start + 6: pass",
        "subprocess.run([sys.executable, '-c', 'for _ in range(10**8): pass'])",
    ],
    ids=["prints", "computes", "child computes"],
)
def test_the_watcher_lets_alone_what_does_something(script):
    status, printed = run(f"import subprocess, sys, time; start = time.monotonic()\n{script}\nprint('ends')")
    assert status == 0
    assert printed.endswith("ends\n")


def test_a_line_comes_in_time():
    assert workers.REMINDER < LIMIT


@pytest.fixture(scope="session")
def whole(made_once, finished: Project) -> Project:
    """A project after `dvc repro` whose every stage has something to do. Never to be changed."""

    def fill(folder: Path) -> None:
        draw(folder / "shapes")  # enough for more than one process
        project = finished.copy(folder / "project")
        project.change(
            {
                **SMALL,
                "images.path": str(folder / "shapes"),
                "optimizer.name": "sgd",
                "optimizer.lr": "find",
                "epochs": 1,  # so that there are mistakes
                "label_issues": True,
            }
        )
        project.run("dvc", "repro")

    return Project(made_once("whole", fill) / "project")


@needs_namespaces
@pytest.mark.faults
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_stage_ends_as_it_would_in_plenty(whole, tmp_path, condition):
    project = whole.copy(tmp_path / "project")
    project.change({"workers": 4})
    for kept in (artifacts.IMAGES, artifacts.CHECKPOINTS):
        shutil.rmtree(project.folder / kept)
    for paths in project.outputs().values():
        for path in paths:
            path.unlink()
    for stage in STAGES:
        command = [*CONDITIONS[condition], sys.executable, "-m", f"stages.{stage}"]
        status, printed = watched(command, project.folder, project.environment())
        assert status == 0, printed
        print(f"{condition}, {stage}: {printed}")
    assert project.sums() == whole.sums()


@pytest.mark.faults
def test_a_training_whose_process_was_stopped_ends_in_one_line(whole, tmp_path):
    project = whole.copy(tmp_path / "project")
    project.change({"workers": 2, "epochs": 200})
    script = """
import os, runpy, signal, sys, psutil
from src import progress, workers
workers.REMINDER, workers.PATIENCE = 1, 4
end_epoch = progress.TrainingProgress.end_epoch
def stop(self, epoch, numbers):
    end_epoch(self, epoch, numbers)
    psutil.Process().children()[0].send_signal(signal.SIGSTOP)
progress.TrainingProgress.end_epoch = stop
runpy.run_module("stages.train", run_name="__main__")
"""
    command = [sys.executable, "-c", script]
    status, printed = watched(command, project.folder, project.environment(), limit=60)
    assert status == 1
    *lines, last = printed.splitlines()
    assert lines[-1] == (
        "workers: a process that augments images has not answered for 0:00:03, stops at 0:00:04"
    )
    assert last == (
        "train: workers: a process that augments images has not answered for 0:00:04; is a disk or the "
        "machine overloaded? Try fewer workers, or workers: 0"
    )
    project.change({"workers": 0, "epochs": 200})
    assert list((project.folder / artifacts.CHECKPOINTS).glob("*.pt"))  # all finished epochs
