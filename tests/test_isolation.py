"""What a user's environment says to libraries is not heard; in processes of their own, as it is read once."""

import os
import subprocess
import sys

import pytest

from src import isolation
from tests.conftest import ROOT

COMPUTE = """
import stages
import torch
from src.hardware import set_up_torch
set_up_torch(2, deterministic=True)
torch.manual_seed(0)
images, weights = torch.randn(64, 16, 32, 32), torch.randn(32, 16, 3, 3)
results = torch.nn.functional.conv2d(images, weights), images.view(512, -1) @ images.view(-1, 512)
print(torch.get_num_threads(), torch.backends.cpu.get_cpu_capability(), [x.sum().item() for x in results])
"""
DRAW = """
import hashlib, pathlib, sys
import numpy as np
from src import figures
path = pathlib.Path(sys.argv[1])
figures.save_grid(path, np.zeros((3, 32, 32, 3), np.uint8), ["cat", "日本", "x"], 3, "Heading")
print(hashlib.sha256(path.read_bytes()).hexdigest())
"""


def output(script: str, *arguments: str, **environment: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    env = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=200).stdout


@pytest.fixture(scope="module")
def computed() -> str:
    return output(COMPUTE)


@pytest.mark.parametrize(
    "settings",
    [
        {"OMP_THREAD_LIMIT": "1", "OMP_DYNAMIC": "true"},  # torch would wait forever
        {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        {"OMP_PLACES": "{0}", "OMP_PROC_BIND": "true"},
        {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_numbers_are_the_same(computed, settings):
    assert output(COMPUTE, **settings) == computed


def test_pictures_are_the_same(tmp_path):
    plain = output(DRAW, str(tmp_path / "plain.png"))
    settings = tmp_path / ".config/matplotlib/matplotlibrc"
    settings.parent.mkdir(parents=True)
    for content in (
        b"font.size: 30\nfigure.facecolor: black\npath.sketch: 1, 100, 2\n",
        b"\xff\xfe",
        b"no: 1\n",
    ):
        settings.write_bytes(content)
        home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config"), "MPLBACKEND": "none"}
        assert output(DRAW, str(tmp_path / "other.png"), **home) == plain
        assert output(DRAW, str(tmp_path / "other.png"), MATPLOTLIBRC=str(settings)) == plain


def test_settings_in_the_working_folder_do_not_count_either(tmp_path, monkeypatch):
    plain = output(DRAW, str(tmp_path / "plain.png"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "matplotlibrc").write_text("font.size: 30\n")
    assert output(DRAW, str(tmp_path / "other.png")) == plain


def test_only_settings_of_libraries_go(monkeypatch):
    kept = {
        "TORCH_HOME": "/weights",
        "BLINDSPOT_CIFAR10": "x",
        "OPENBLAS_CORETYPE": "Haswell",
        "PATH": "/bin",
    }
    for name, value in (kept | {"TORCH_LOGS": "+all", "MKL_VERBOSE": "1"}).items():
        monkeypatch.setenv(name, value)
    isolation.ignore_settings()
    assert kept.items() <= os.environ.items()
    assert not {"TORCH_LOGS", "MKL_VERBOSE"} & set(os.environ)
