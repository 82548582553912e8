import os
import platform
import subprocess
import sys

import pytest
import torch

from src import hardware
from src.errors import InputError
from tests.conftest import ROOT


@pytest.fixture
def without_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("without_cuda")
def test_auto_falls_back_to_the_cpu_and_says_so():
    said = []
    assert hardware.choose("auto", "fp32", said.append).device.type == "cpu"
    assert said == ["device: auto finds no CUDA GPU and takes the CPU"]


@pytest.mark.usefixtures("without_cuda")
def test_cuda_without_a_gpu_is_refused():
    with pytest.raises(InputError, match="device: 'cuda', but torch finds no CUDA GPU"):
        hardware.choose("cuda", "auto")


@pytest.mark.parametrize("found", ["avx512_bf16", "amx_bf16", None])
def test_bf16_only_where_a_cpu_is_good_at_it(monkeypatch, found):
    capabilities = {"avx512_bf16": False, "amx_bf16": False, "avx2": True} | ({found: True} if found else {})
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert hardware.choose("cpu", "auto").dtype is (torch.bfloat16 if found else torch.float32)
    assert hardware.choose("cpu", "bf16").dtype is torch.bfloat16
    assert hardware.choose("cpu", "fp32").dtype is torch.float32


def test_autocast_computes_products_in_the_chosen_type():
    a = torch.ones(2, 2)
    with hardware.choose("cpu", "bf16").autocast():
        assert (a @ a).dtype is torch.bfloat16
    with hardware.choose("cpu", "fp32").autocast():
        assert (a @ a).dtype is torch.float32


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")]
)
def test_full_memory_names_what_to_lower(error):
    with (
        pytest.raises(InputError, match=r"batch_size: 128 images at once do not fit into memory; try 64"),
        hardware.memory_for("batch_size", 128),
    ):
        raise error


def test_threads_and_determinism_are_what_was_asked_for(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"num_physical_cores": 3})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    for setting, threads in ((1, 1), ("auto", 2)):
        hardware.set_up(setting, deterministic=True)
        assert torch.get_num_threads() == threads
        assert torch.are_deterministic_algorithms_enabled()
    hardware.set_up(1, deterministic=False)
    assert not torch.are_deterministic_algorithms_enabled()
    hardware.set_up(1, deterministic=True)
    torch.set_num_threads(before)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc")
def test_freed_memory_is_used_again():
    # In a process of its own: what other tests have left in memory counts here.
    fetched = subprocess.check_output([sys.executable, "-c", PAGES_FETCHED], cwd=ROOT, text=True)
    assert int(fetched) < 1_000  # of 32,768


PAGES_FETCHED = """
import resource, torch
from src import hardware
hardware.set_up("auto", deterministic=True)
for mib in (129, 128):  # the first larger: cut to its alignment, a block may not hold its like again
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(mib << 18)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_versions_name_what_results_depend_on():
    found = hardware.versions(hardware.choose("cpu", "fp32"))
    assert found["torch"].startswith(torch.__version__.partition("+")[0])
    assert "threads, fp32" in found["hardware"]


@pytest.mark.gpu
def test_auto_takes_the_gpu():
    assert hardware.choose("auto", "auto").device.type == "cuda"
