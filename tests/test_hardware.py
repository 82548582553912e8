import platform
import subprocess
import sys

import pytest
import torch

from src import hardware
from src.errors import InputError
from src.hardware import choose_hardware, describe_environment, explain_out_of_memory, set_up_torch
from tests.conftest import ROOT


@pytest.fixture
def without_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("without_cuda")
def test_auto_falls_back_to_the_cpu_and_says_so():
    said = []
    assert choose_hardware("auto", "fp32", said.append).device.type == "cpu"
    assert said == ["device: auto finds no CUDA GPU and uses the CPU"]


@pytest.mark.usefixtures("without_cuda")
def test_cuda_without_a_gpu_is_refused():
    with pytest.raises(InputError, match="device: 'cuda', but torch finds no CUDA GPU"):
        choose_hardware("cuda", "auto")


@pytest.mark.parametrize("instructions", ["avx512_bf16", "amx_bf16", None])
def test_bf16_only_where_a_cpu_is_good_at_it(monkeypatch, instructions):
    capabilities = {"avx512_bf16": False, "amx_bf16": False, "avx2": True}
    if instructions:
        capabilities[instructions] = True
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose_hardware("cpu", "auto").dtype is (torch.bfloat16 if instructions else torch.float32)
    assert choose_hardware("cpu", "bf16").dtype is torch.bfloat16
    assert choose_hardware("cpu", "fp32").dtype is torch.float32


def test_autocast_computes_products_in_the_chosen_type():
    a = torch.ones(2, 2)
    with choose_hardware("cpu", "bf16").autocast():
        assert (a @ a).dtype is torch.bfloat16
    with choose_hardware("cpu", "fp32").autocast():
        assert (a @ a).dtype is torch.float32


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")]
)
def test_too_little_memory_names_what_to_lower(error):
    with (
        pytest.raises(InputError, match=r"batch_size: 128 images at once do not fit in memory; try 64"),
        explain_out_of_memory("batch_size", 128),
    ):
        raise error


def test_threads_and_determinism_are_what_was_asked_for(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"num_physical_cores": 3})
    monkeypatch.setattr(hardware, "usable_cpus", lambda: 2)
    for setting, threads in ((1, 1), ("auto", 2)):
        set_up_torch(setting, deterministic=True)
        assert torch.get_num_threads() == threads
        assert torch.are_deterministic_algorithms_enabled()
    set_up_torch(1, deterministic=False)
    assert not torch.are_deterministic_algorithms_enabled()
    set_up_torch(1, deterministic=True)
    torch.set_num_threads(before)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc")
def test_freed_memory_is_used_again():
    # In a process of its own: what other tests have left in memory counts here.
    fetched = subprocess.check_output([sys.executable, "-c", PAGES_FETCHED], cwd=ROOT, text=True)
    assert int(fetched) < 1_000  # of 32,768


PAGES_FETCHED = """
import resource, torch
from src.hardware import set_up_torch
set_up_torch("auto", deterministic=True)
for mib in (129, 128):  # the first larger: cut to its alignment, a block may not hold its like again
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(mib << 18)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_another_error_is_not_taken_for_too_little_memory():
    with pytest.raises(RuntimeError, match="shapes"), explain_out_of_memory("batch_size", 128):
        raise RuntimeError("shapes cannot be multiplied")


def test_the_environment_is_what_results_depend_on():
    environment = describe_environment(choose_hardware("cpu", "fp32"))
    assert environment["torch"].startswith(torch.__version__.partition("+")[0])
    assert environment["python"] == platform.python_version()
    assert environment["hardware"] == f"CPU, {torch.get_num_threads()} threads, fp32"
    assert environment["threads"] == torch.get_num_threads()


@pytest.mark.gpu
def test_auto_takes_the_gpu():
    assert choose_hardware("auto", "auto").device.type == "cuda"
