"""The `train` stage in two processes: started by itself, by torchrun, and killed."""

import contextlib
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from src import artifacts
from tests.project import Project, replace

SEED = int(os.environ.get("FAULTS_SEED", "0"))
RESULTS = (artifacts.TRAINED_MODEL, artifacts.TRAIN_METRICS, artifacts.TRAINING_CURVES)
EXACT = {"norm": "group", "precision": "fp32", "optimizer.name": "sgd", "optimizer.lr": 0.02}
STAGE = [sys.executable, "-m", "stages.train"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "stages.train"]


def bytes_of(project: Project) -> list[bytes]:
    return [(project.folder / path).read_bytes() for path in RESULTS]


def checkpoints(project: Project) -> list[Path]:
    return list((project.folder / artifacts.CHECKPOINTS).glob("[!.]*.pt"))


def ranks_of(launcher: subprocess.Popen) -> dict[int, psutil.Process]:
    """The processes that it has started, by rank, once both are there; empty if it has ended."""
    while launcher.poll() is None:
        try:
            children = psutil.Process(launcher.pid).children()
            found = {int(each.environ()["RANK"]): each for each in children if "RANK" in each.environ()}
        except psutil.Error:
            continue
        if len(found) == 2:
            return found
        time.sleep(0.02)
    return {}


def kill(launcher: subprocess.Popen, ranks: dict[int, psutil.Process], target: int | None) -> tuple[int, str]:
    """Kill a rank, or the launcher; status and what was printed, when nothing is left of all of them."""
    try:
        family = [each for rank in ranks.values() for each in (rank, *rank.children(recursive=True))]
        (psutil.Process(launcher.pid) if target is None else ranks[target]).kill()
    except psutil.NoSuchProcess:  # too late: it has just ended
        family = []
    printed = launcher.communicate(timeout=60)[0]
    assert psutil.wait_procs(family, timeout=60)[1] == []
    return launcher.returncode, printed


def check_one_line(status: int, printed: str, target: int) -> None:
    assert status == 1
    *before, line = printed.splitlines()
    assert line == f"train: rank {target}: died (killed by SIGKILL); did memory run out? Try fewer processes"
    assert not any("Traceback" in each or each.startswith("train:") for each in before), printed


def test_torchrun_a_kill_and_the_same_bytes(project):
    project.change({"processes": 2, "epochs": 3})
    undisturbed = project.copy(project.folder.parent / "undisturbed")
    undisturbed.run(*TORCHRUN)
    launcher = project.start(*STAGE)
    while not checkpoints(project) and launcher.poll() is None:
        time.sleep(0.02)
    check_one_line(*kill(launcher, ranks_of(launcher), 1), 1)
    assert re.search(r"resumes after epoch [12] of 3", project.run(*STAGE))
    assert bytes_of(project) == bytes_of(undisturbed)
    assert list((project.folder / artifacts.CHECKPOINTS).iterdir()) == []
    assert '"processes": 2' in (project.folder / artifacts.ENVIRONMENT).read_text()


def test_a_rank_that_fails_ends_the_stage_in_one_line(project):
    project.change({"processes": 2})
    path = project.folder / "stages/train.py"
    line = "    environment = describe_environment(hardware)\n"
    assert line in path.read_text()
    failing = "    if OURS.rank:\n        raise ValueError('nothing is\\nright')\n"
    replace(path, path.read_text().replace(line, line + failing))
    done = project.attempt(*STAGE)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    expected = r"train: rank 1: unexpected error: ValueError: nothing is right; the traceback is in \S+\.txt"
    assert re.fullmatch(expected, line), done.stderr


@pytest.mark.faults
def test_answers_and_heatmaps_are_the_same_bytes(project):
    project.change({"evaluate.batch_size": 40})  # of two views: more than one step
    project.run(sys.executable, "-m", "stages.evaluate")
    alone = project.sums()
    for stage in ("evaluate", "gradcam"):
        for path in project.outputs()[stage]:
            path.unlink()
    project.change({"processes": 2})
    for stage in ("evaluate", "gradcam"):
        project.run(sys.executable, "-m", f"stages.{stage}")
    assert project.sums() == alone


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_training_labels_are_judged_as_by_one(project):
    project.change({**EXACT, "label_issues": True, "epochs": 1, "optimizer.lr": 0.02})
    stage = [sys.executable, "-m", "stages.find_label_issues"]
    tables = []
    for count in (1, 2):
        project.change({"processes": count})
        artifacts.write_json(project.folder / artifacts.LR, {"lr": 0.02})
        project.run(*stage)
        tables.append((project.folder / artifacts.TRAIN_LABEL_ISSUES).read_text().splitlines())
    assert [row.split(",")[0] for row in tables[0]] == [row.split(",")[0] for row in tables[1]]


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_ten_kills_at_random_moments(project):
    project.change({"processes": 2, "epochs": 6})
    undisturbed = project.copy(project.folder.parent / "undisturbed")
    started = time.monotonic()
    undisturbed.run(*STAGE)
    length = time.monotonic() - started
    chance = random.Random(SEED)
    kills = 0
    while kills < 10:
        launcher = project.start(*STAGE)
        ranks, target = ranks_of(launcher), chance.choice([0, 1, None])
        with contextlib.suppress(subprocess.TimeoutExpired):
            launcher.wait(chance.uniform(0, length))
        status, printed = kill(launcher, ranks, target)
        if status == 0:
            continue  # too late; the next one starts from the beginning
        if target is not None:
            check_one_line(status, printed, target)
        kills += 1
    project.run(*STAGE)
    assert bytes_of(project) == bytes_of(undisturbed)
    assert list((project.folder / artifacts.CHECKPOINTS).iterdir()) == []


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_one_and_two_processes_give_the_same_figures(project):
    flags = [flag for key, value in EXACT.items() for flag in ("-S", f"{key}={value}")]
    found = {}
    for count in (1, 2):
        project.run("dvc", "exp", "run", "--name", f"of{count}", "-S", f"processes={count}", *flags)
        for path in (artifacts.TRAIN_METRICS, artifacts.TEST_METRICS):
            found[count, path] = artifacts.read_json(project.folder / path)
    for path in (artifacts.TRAIN_METRICS, artifacts.TEST_METRICS):
        for key, value in found[1, path].items():
            if isinstance(value, float):
                assert found[2, path][key] == pytest.approx(value, rel=1e-3), key
