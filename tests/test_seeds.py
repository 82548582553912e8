"""Running a group of seeds: what is asked of DVC, and what is not asked again."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from src import seeds
from src.errors import InputError
from tests.experiments import add_experiment
from tests.project import Project, stages_run


@pytest.fixture
def project(compared, tmp_path, monkeypatch) -> Project:
    """A copy of it, the working folder."""
    project = compared.copy(tmp_path / "project")
    project.enter(monkeypatch)
    return project


class Pretended:
    """Stands for `subprocess.run`: what DVC is asked to run is made up in a moment, or fails."""

    def __init__(self, project: Project) -> None:
        self.project, self.run = project, subprocess.run
        self.names: list[str] = []  # that it was asked for
        self.failing: set[str] = set()

    def __call__(self, command: list[str], **options: Any) -> subprocess.CompletedProcess:
        if command[:3] != [sys.executable, "-m", "dvc"]:
            return self.run(command, **options)
        name = command[command.index("--name") + 1]
        self.names.append(name)
        if name not in self.failing:
            flags = [command[place + 1].split("=") for place, part in enumerate(command) if part == "-S"]
            changes = {key: int(value) for key, value in flags}
            add_experiment(self.project, name, 0.7 + changes["seed"] / 100, changes["seed"], **changes)
        return subprocess.CompletedProcess(command, int(name in self.failing))


@pytest.fixture
def dvc(project, monkeypatch) -> Pretended:
    pretended = Pretended(project)
    monkeypatch.setattr(subprocess, "run", pretended)
    return pretended


def test_one_experiment_a_seed(dvc, capsys):
    seeds.main(["base", "0,2,10", "-S", "epochs=3"])
    assert dvc.names == ["base-seed0", "base-seed2", "base-seed10"]
    *_, result, command = capsys.readouterr().out.splitlines()
    assert result.startswith("base: test accuracy 74.00% ± 5.29%, 3 seeds; to compare it:")
    assert command.startswith("python -m src.compare OTHER base")


def test_the_same_command_continues(dvc, capsys):
    dvc.failing.add("base-seed1")
    with pytest.raises(
        InputError, match="base-seed1: not finished, see above; the same command continues from"
    ):
        seeds.main(["base", "0,1,2"])
    assert dvc.names == ["base-seed0", "base-seed1"]
    dvc.failing.clear()
    seeds.main(["base", "0,1,2"])
    assert dvc.names[2:] == ["base-seed1", "base-seed2"]
    assert "base-seed0: finished already" in capsys.readouterr().out
    seeds.main(["base", "0,1,2"])
    assert len(dvc.names) == 4


def test_a_name_that_is_taken_by_another_experiment(dvc):
    seeds.main(["base", "0", "-S", "epochs=3"])
    with pytest.raises(
        InputError, match=r"base-seed0: was run with another epochs, 3 instead of 2; choose anoth"
    ):
        seeds.main(["base", "0,1"])
    Path("src/errors.py").unlink()
    with pytest.raises(
        InputError, match=r"base-seed0: was run before src/errors.py was changed; .*`dvc exp remove"
    ):
        seeds.main(["base", "0,1", "-S", "epochs=3"])
    assert dvc.names == ["base-seed0"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "NAME: should be letters, digits and - . _, not ''; for example: make seeds NAME=base"),
        (["a/b"], "NAME: should be letters"),
        (["main"], "NAME: 'main' is a branch, tag or experiment already"),
        (["x", "0,0"], "SEEDS: should be different numbers like 0,1,2, not '0,0'"),
        (["x", "0,1,01"], "SEEDS: should be different numbers"),
        (["x", "0;1"], "SEEDS: should be different numbers"),
        (["x", "0,"], "SEEDS: should be different numbers"),
        (["x", "0", "-S"], "FLAGS: argument -S/--set-param: expected one argument"),
        (["x", "0", "--queue"], "FLAGS: should be like -S epochs=24, not '--queue'"),
        (["x", "0", "epochs=3"], "FLAGS: should be like -S epochs=24, not 'epochs=3'"),
        (["x", "0", "-S", "seed=3"], "FLAGS: sets seed, which SEEDS is for"),
        (["x", "0", "-S", "epoch=3"], "unknown key 'epoch'; did you mean 'epochs'"),
        (["x", "0", "-S", "epochs=0"], "^params.yaml: epochs: should be greater than or equal to 1, not 0$"),
        (["x", "0", "-S", "epochs=8,16"], "FLAGS: should be KEY=VALUE with one value each, not epochs=8,16"),
        (["x", "0", "-S", "epochs"], "FLAGS: should be KEY=VALUE with one value each, not epochs"),
    ],
)
def test_bad_input_is_told_before_anything_runs(dvc, arguments, line):
    with pytest.raises(InputError, match=line) as refused:
        seeds.main(arguments)
    assert len(str(refused.value).splitlines()) == 1
    assert dvc.names == []


def test_a_real_one_by_make(project):
    command = [
        "make",
        "--old-file=.venv/ready",
        "seeds",
        "NAME=new",
        "SEEDS=7",
        "FLAGS=-S epochs=1\n-S threads=1",
    ]
    printed = project.run(*command)
    assert stages_run(printed)[:3] == ["find_lr", "preview", "train"]  # the seed does not reach those before
    assert re.search(r"new: test accuracy \d+\.\d\d%, 1 seed;", printed)
    assert stages_run(project.run(*command)) == []
