import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from src import launch, ranks
from src.errors import InputError
from src.launch import process_count
from tests.conftest import ROOT


@pytest.fixture
def gpus(monkeypatch):
    def have(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return have


@pytest.mark.parametrize(
    ("visible", "setting", "device", "images", "expected"),
    [
        (0, "auto", "auto", None, 1),
        (0, 3, "auto", None, 3),
        (8, "auto", "auto", None, 8),
        (8, "auto", "cpu", None, 1),
        (8, 2, "cuda", None, 2),
        (8, "auto", "cuda", 500, 1),
        (8, "auto", "cuda", 50_000, 5),
        (8, 8, "cuda", 500, 8),
    ],
)
def test_auto_is_one_a_gpu(gpus, visible, setting, device, images, expected):
    gpus(visible)
    assert process_count(SimpleNamespace(processes=setting, device=device), images) == expected


def test_more_than_there_are_gpus_is_refused(gpus):
    gpus(2)
    with pytest.raises(InputError, match=r"^processes: 3 is more than the 2 GPUs that are visible here$"):
        process_count(SimpleNamespace(processes=3, device="auto"))


def test_a_torch_that_cannot_join_processes_is_said(gpus, monkeypatch):
    gpus(0)
    monkeypatch.setattr(torch.distributed, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"^processes: 2, but this build of torch has no torch\.distributed"):
        process_count(SimpleNamespace(processes=2, device="auto"))
    assert process_count(SimpleNamespace(processes="auto", device="auto")) == 1


@pytest.fixture
def failure(tmp_path):
    """What torch knows of a process that failed."""
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

    def make(exitcode: int, said: str = "") -> Any:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        if said:
            path.write_text(json.dumps({"message": said, "timestamp": 0}))
        return ProcessFailure(0, 123, exitcode, str(path))

    return make


def test_the_cause_is_named_and_not_what_came_of_it(failure):
    killed, ended = failure(-signal.SIGKILL), failure(-signal.SIGTERM)
    died = "died (killed by SIGKILL); did memory run out? Try fewer processes"
    assert launch._cause({0: ended, 1: killed}) == f"rank 1: {died}"
    assert launch._cause({0: ended, 1: failure(3)}) == "rank 1: ended with exit status 3"
    said = {0: failure(1, f"{launch.LOST}: the connection is lost"), 1: failure(1, "one\ntwo"), 2: killed}
    assert launch._cause(said) == "rank 1: one\nrank 1: two"
    del said[1]
    assert launch._cause(said) == (
        f"rank 0: {launch.LOST}: the connection is lost; rank 2 did not react and was killed"
    )


def test_one_of_several_is_told_so_by_its_environment():
    given = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
    given |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    script = "from src.ranks import OURS; print(OURS, OURS.label)"

    def said(**environment: str) -> str:
        environment = os.environ | environment | {"PYTHONPATH": str(ROOT)}
        return subprocess.check_output([sys.executable, "-c", script], env=environment, text=True)

    assert said(**given) == "Ranks(rank=5, size=8, local_rank=1, local_size=4) rank 5: \n"
    assert said(RANK="5", WORLD_SIZE="8") == "Ranks(rank=0, size=1, local_rank=0, local_size=1) \n"


def test_who_is_alone_reports_nothing_and_ends_as_usual(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "error.json"))
    monkeypatch.setenv(ranks.LAUNCHER, "1")
    assert not ranks.report("something")
    monkeypatch.setattr(ranks, "OURS", ranks.Ranks(1, 2))
    assert ranks.report("something")
    assert json.loads(Path(tmp_path / "error.json").read_text())["message"] == "something"
    monkeypatch.delenv(ranks.LAUNCHER)
    assert not ranks.report("something")
