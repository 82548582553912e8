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

from src.resume import StateFile
from tests.project import Project

SEED = int(os.environ.get("FAULTS_SEED", "0"))
KILLS = int(os.environ.get("FAULTS_KILLS", "60"))
COMMANDS = (("dvc", "repro"), ("dvc", "exp", "run"))
EPOCHS = 6


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


def kill_after(project: Project, seconds: float, *command: str) -> str | None:
    """What the command had printed when it was killed with all its children; None if it was over before."""
    process = project.start(*command)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        printed = process.communicate()[0]
        # Git's own, when `dvc exp run` is killed while it writes the index; git asks the user to remove it.
        (project.folder / ".git/index.lock").unlink(missing_ok=True)
        # DVC's own, when it is killed while it writes it; the run cache knows what was in it.
        lock = project.folder / "dvc.lock"
        if lock.exists() and not isinstance(yaml.safe_load(lock.read_text()), dict):
            lock.unlink()
        return printed
    assert process.returncode == 0, process.communicate()[0]
    return None


def epochs_kept(project: Project) -> int:
    """Epochs that the next training will not repeat."""
    for path in (project.folder / ".resume").glob("[!.]*.pt"):
        return len(StateFile(path.stem).read(path.read_bytes())["curves"])
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
    if over or "going on" in printed:
        began = re.search(r"going on after epoch (\d+)", printed)
        lost += before - (int(began[1]) if began else 0)
    if over and not (kept == 0 and over[-1] == EPOCHS):  # its work was done, and the state removed
        lost += max(0, over[-1] - 1 - kept)  # a line is printed just before the state is written
    return lost


def restore(project: Project, stages: list[str]) -> None:
    """Have the inputs back that a killed `dvc exp run` had put aside; only --single-item does without."""
    if not all(path.exists() for stage in stages for path in project.outputs()[stage]):
        project.run("dvc", "repro", stages[-1])


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_kills(tmp_path_factory, tiny):
    undisturbed, project = (Project(tmp_path_factory.mktemp(name), tiny) for name in ("whole", "killed"))
    for each in (undisturbed, project):
        each.edit({"epochs: 2": f"epochs: {EPOCHS}"})
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
        kept = 0  # epochs in the state file
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
        project.run("dvc", "repro", *single)
        print(f"{stage}: {kills} kills within {length:.1f} s each")

    project.run("dvc", "repro")
    assert project.sums() == undisturbed.sums()
    assert lost == 0
    assert not list((project.folder / ".resume").glob("*"))
    assert not list(project.folder.rglob(".tmp-*"))
    assert project.stages_run(project.run("dvc", "exp", "run", "-S", "misclassified.count=2")) == stages[-2:]
    print(f"{KILLS} kills, {lost} epochs lost, all sums as without")


def kill_training(project: Project) -> None:
    """Kill the training that runs, in whatever copy of the project, once it has written a state."""
    state = project.folder / ".resume"
    for _ in range(600):
        for process in psutil.process_iter(["cmdline", "environ"]):
            mine = (process.info["environ"] or {}).get("DVC_ROOT") == str(project.folder)
            if mine and "stages.train" in (process.info["cmdline"] or []) and list(state.glob("[!.]*.pt")):
                process.kill()
                return
        time.sleep(0.05)
    raise AssertionError("no training was seen")


@pytest.fixture
def small(tmp_path, tiny) -> Project:
    return Project(tmp_path, tiny)


@pytest.mark.faults
def test_two_at_once_end_as_one_alone(small):
    # The same training at the same time, so that both are at one state file.
    run = ["dvc", "exp", "run", "--force", "--temp", "-S", "seed=11", "--name"]
    for process in [small.start(*run, name) for name in ("twin1", "twin2")]:
        output, _ = process.communicate()
        assert process.returncode == 0, output
    small.run(*run, "alone")
    assert small.lock("twin1") == small.lock("twin2") == small.lock("alone")
    assert not list((small.folder / ".resume").iterdir())


@pytest.mark.faults
def test_killed_in_any_kind_of_run_it_goes_on(small):
    run = ["dvc", "exp", "run", "--force", "-S", "seed=21", "-S", "epochs=4"]
    small.run(*run, "--name", "undisturbed")
    for kind in ([], ["--temp"]):
        name = f"killed{len(kind)}"
        process = small.start(*run, *kind)
        kill_training(small)
        process.communicate()
        assert process.returncode != 0
        assert re.search(r"going on after epoch [123] of 4", small.run(*run, *kind, "--name", name))
        assert small.lock(name) == small.lock("undisturbed")

    small.run(*run, "--queue", "--name", "first")
    worker = small.start("dvc", "queue", "start")
    kill_training(small)
    worker.communicate()
    assert "Failed" in small.run("dvc", "queue", "status")
    small.run("dvc", "queue", "remove", "--failed")
    small.run(*run, "--queue", "--name", "second")
    small.run_queue()
    assert re.search(r"going on after epoch [123] of 4", small.run("dvc", "queue", "logs", "second"))
    assert small.lock("second") == small.lock("undisturbed")
