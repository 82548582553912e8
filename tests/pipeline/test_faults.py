"""Every stage is killed at random moments; what comes out in the end is what an undisturbed run gives.

`make faults`, or with another seed and another number of kills `FAULTS_SEED=7 FAULTS_KILLS=200 make faults`.
"""

import json
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
import yaml
from PIL import Image

from src import artifacts
from src.training.checkpoint import CheckpointFile
from tests.project import Project, stages_run

SEED = int(os.environ.get("FAULTS_SEED", "0"))
KILLS = int(os.environ.get("FAULTS_KILLS", "60"))
COMMANDS = (("dvc", "repro"), ("dvc", "exp", "run"))
EPOCHS = 6
LOCK = Path("dvc.lock")  # the sum of every output


def check_whole(path: Path) -> None:
    """A file under its final name can be read to its end."""
    if path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
    elif path.suffix == ".npy":
        np.load(path, allow_pickle=False)
    elif path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".pt":
        torch.load(path, weights_only=True)
    else:
        assert path.read_text().endswith("\n")


def is_mapping(text: str) -> bool:
    """Whether it is whole YAML, or JSON, that has keys."""
    try:
        return isinstance(yaml.safe_load(text), dict)
    except yaml.YAMLError:
        return False


def kill_after(project: Project, seconds: float, *command: str) -> str | None:
    """What the command had printed when it was killed with all its children; None if it was over before."""
    process = project.start(*command)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed = process.communicate()[0]
        # Git's own, when `dvc exp run` is killed while it writes the index or a reference; git asks the user
        # to remove them.
        for lock in (project.folder / ".git").rglob("*.lock"):
            lock.unlink()
        # DVC's own, when it is killed while it writes them. The run cache knows what was in dvc.lock; the
        # other says which stages run at the moment: none.
        for path in (project.folder / "dvc.lock", project.folder / ".dvc/tmp/rwlock"):
            if path.exists() and not is_mapping(path.read_text()):
                path.unlink()
        return printed
    assert process.returncode == 0, process.communicate()[0]
    return None


def epochs_kept(project: Project) -> int:
    """Epochs that the next training will not repeat."""
    for path in (project.folder / artifacts.CHECKPOINTS).glob("[!.]*.pt"):
        return len(CheckpointFile(path.stem).parse(path.read_bytes())["curves"])
    return 0


def epochs_lost(printed: str, before: int, kept: int) -> int:
    """Epochs that were over and have to be repeated, but for the one in flight.

    Args:
        printed: by a training that was killed.
        before: epochs that were kept when it started.
        kept: epochs that are kept now.
    """
    over = [int(epoch) for epoch in re.findall(r"^epoch (\d+)/\d+: loss", printed, re.MULTILINE)]
    lost = 0
    if over or "resumes" in printed:
        began = re.search(r"resumes after epoch (\d+)", printed)
        lost += before - (int(began[1]) if began else 0)
    if over and not (kept == 0 and over[-1] == EPOCHS):  # its work was done, and the checkpoint removed
        lost += max(0, over[-1] - 1 - kept)  # a line is printed just before the checkpoint is
    return lost


def restore(project: Project, stages: list[str]) -> None:
    """Have the inputs back that a killed `dvc exp run` had put aside; only --single-item does without."""
    if not all(path.exists() for stage in stages for path in project.outputs()[stage]):
        project.run("dvc", "repro", *stages)


def left_behind(project: Project) -> list[Path]:
    """Files and folders that were never completed."""
    return list(project.folder.rglob(f"{artifacts.TEMPORARY_PREFIX}*"))


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_kills(finished, tmp_path):
    undisturbed, project = (finished.copy(tmp_path / name / "project") for name in ("whole", "killed"))
    for each in (undisturbed, project):
        each.change({"epochs": EPOCHS})
        each.commit()
    undisturbed.run("dvc", "repro")
    stages = list(undisturbed.outputs())
    chance = random.Random(SEED)
    lost = 0

    for number, stage in enumerate(stages):
        single = ("--force", "--single-item", stage)
        started = time.monotonic()
        undisturbed.run("dvc", "repro", *single)
        length = time.monotonic() - started
        kills = KILLS * (number + 1) // len(stages) - KILLS * number // len(stages)
        kept = 0  # epochs in the checkpoint
        for kill in range(kills):
            restore(project, stages[:number])
            command = COMMANDS[kill % 2]
            while (printed := kill_after(project, chance.uniform(0.2, length), *command, *single)) is None:
                kept = 0
            for path in project.outputs()[stage]:
                if path.is_file():
                    check_whole(path)
            if stage == "train":
                before, kept = kept, epochs_kept(project)
                lost += epochs_lost(printed, before, kept)
        restore(project, stages[:number])
        left = len(left_behind(project))
        project.run("dvc", "repro", *single)
        assert left_behind(project) == []
        print(f"{stage}: {kills} kills within {length:.1f} s each, {left} files left by the last and removed")

    project.run("dvc", "repro")
    assert project.sums() == undisturbed.sums()
    assert lost == 0
    assert not list((project.folder / artifacts.CHECKPOINTS).glob("*"))
    assert left_behind(project) == []
    assert stages_run(project.run("dvc", "exp", "run", "-S", "misclassified.count=2")) == [
        "find_misclassified",
        "gradcam",
    ]
    print(f"{KILLS} kills, {lost} epochs lost, all sums as without")


def kill_training(project: Project) -> None:
    """Kill the training that runs, in whatever copy of the project, once it has written a checkpoint."""
    folder = project.folder / artifacts.CHECKPOINTS
    for _ in range(600):
        for process in psutil.process_iter(["cmdline", "environ"]):
            mine = (process.info["environ"] or {}).get("DVC_ROOT") == str(project.folder)
            if mine and "stages.train" in (process.info["cmdline"] or []) and list(folder.glob("[!.]*.pt")):
                process.kill()
                return
        time.sleep(0.05)
    raise AssertionError("no training was seen")


@pytest.mark.faults
def test_two_at_once_end_as_one_alone(project):
    # The same training at the same time, so that both are at one checkpoint.
    run = ["dvc", "exp", "run", "--force", "--temp", "-S", "seed=11", "--name"]
    for process in [project.start(*run, name) for name in ("twin1", "twin2")]:
        output, _ = process.communicate()
        assert process.returncode == 0, output
    project.run(*run, "alone")
    assert project.show("twin1", LOCK) == project.show("twin2", LOCK) == project.show("alone", LOCK)
    assert not list((project.folder / artifacts.CHECKPOINTS).iterdir())


@pytest.mark.faults
def test_killed_in_any_kind_of_run_it_resumes(project):
    run = ["dvc", "exp", "run", "--force", "-S", "seed=21", "-S", "epochs=4"]
    project.run(*run, "--name", "undisturbed")
    for kind in ([], ["--temp"]):
        name = f"killed{len(kind)}"
        process = project.start(*run, *kind)
        kill_training(project)
        process.communicate()
        assert process.returncode != 0
        assert re.search(r"resumes after epoch [123] of 4", project.run(*run, *kind, "--name", name))
        assert project.show(name, LOCK) == project.show("undisturbed", LOCK)

    project.run(*run, "--queue", "--name", "first")
    worker = project.start("dvc", "queue", "start")
    kill_training(project)
    worker.communicate()
    assert "Failed" in project.run("dvc", "queue", "status")
    project.run("dvc", "queue", "remove", "--failed")
    project.run(*run, "--queue", "--name", "second")
    project.run_queue()
    assert re.search(r"resumes after epoch [123] of 4", project.run("dvc", "queue", "logs", "second"))
    assert project.show("second", LOCK) == project.show("undisturbed", LOCK)
