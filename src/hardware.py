"""What the work is done on, and in which precision."""

import ctypes
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import TypeVar

import torch
from torch import nn

from src.cpus import usable_cpus
from src.errors import InputError
from src.ranks import OURS

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class Hardware:
    """A device and the type that convolutions and matrix products are computed in."""

    device: torch.device
    dtype: torch.dtype

    def autocast(self) -> AbstractContextManager[None]:
        """Inside, products are computed in `dtype`; weights and sums stay fp32."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32)

    def place(self, model: Model) -> Model:
        """The model on the device, its weights in the memory order that convolutions are fastest in."""
        return model.to(self.device).to(memory_format=torch.channels_last)

    def __str__(self) -> str:
        name = (
            torch.cuda.get_device_name(self.device)
            if self.device.type == "cuda"
            else f"CPU, {torch.get_num_threads()} threads"
        )
        return f"{name}, {'fp32' if self.dtype is torch.float32 else 'bf16'}"


def choose_hardware(device: str, precision: str, log: Callable[[str], None] = print) -> Hardware:
    """Turn the parameters into what is really there; each of several processes gets a GPU of its own.

    Args:
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `fp32` or `bf16`.
        log: is told when `auto` falls back to the CPU.

    Raises:
        InputError: `cuda` was asked for and there is none.
    """
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise InputError(
            "device: 'cuda', but torch finds no CUDA GPU here; use 'auto' or 'cpu', or see what "
            "`nvidia-smi` says"
        )
    if device == "auto" and not has_cuda:
        log("device: auto finds no CUDA GPU and uses the CPU")
    chosen = torch.device("cpu")
    if has_cuda and device != "cpu":
        own = OURS.local_rank % torch.cuda.device_count()  # some schedulers let each process see but its own
        chosen = torch.device("cuda", own) if OURS.size > 1 else torch.device("cuda")
    if precision == "auto":
        precision = "bf16" if _bf16_is_fast(chosen) else "fp32"
    return Hardware(chosen, torch.bfloat16 if precision == "bf16" else torch.float32)


def set_up_torch(threads: int | str, deterministic: bool) -> None:
    """Fix what could make the same seed come out differently, and how memory is handled.

    Args:
        threads: of the CPU; sums come out differently with another number. `auto`: one per physical
            core that this process may use, see `usable_cpus`, whatever OMP_NUM_THREADS says. The processes of
            a machine share them.
        deterministic: refuse operations whose result varies from run to run. The CPU has none of those that
            are used here; on CUDA it may cost speed.
    """
    threads = _usable_cores() if threads == "auto" else int(threads)
    torch.set_num_threads(max(threads // OURS.local_size, 1))
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read by cuBLAS when it starts
    # The same as use_deterministic_algorithms, without a second spent on importing the compiler.
    torch.set_deterministic_debug_mode("error" if deterministic else "default")
    # It would cost a tenth of the time, only to find bugs.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.allow_tf32 = False  # where fp32 is asked for, fp32 is meant
    _keep_freed_memory()


@contextmanager
def explain_out_of_memory(parameter: str, value: int) -> Iterator[None]:
    """Inside, running out of memory ends in one line that names the parameter to lower."""
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError on a GPU, a plain one on the CPU
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise InputError(
            f"{parameter}: {value} images at once do not fit in memory; try {max(value // 2, 1)}"
        ) from error


def describe_environment(hardware: Hardware) -> dict[str, str | int | None]:
    """What results may depend on besides code, data and parameters."""
    packages = ("torch", "torchvision", "timm", "numpy", "albumentations", "opencv-python-headless", "captum")
    return {
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in packages},
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if hardware.device.type == "cuda" else None,
        "system": f"{platform.system()} {platform.machine()}",
        "hardware": str(hardware),
        "cpu": torch.cpu.get_capabilities().get("cpu_name"),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "processes": OURS.size,
    }


def _keep_freed_memory() -> None:
    """Use large blocks again instead of giving each back to the system, which would zero it page by page.

    Saves a sixth of the training time on a CPU. Only glibc, the C library of most Linux systems, has this
    switch.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(-4, 0)  # M_MMAP_MAX: no block gets a mapping of its own
        libc.mallopt(-1, -1)  # M_TRIM_THRESHOLD: the heap is not made smaller


def _usable_cores() -> int:
    cpus = usable_cpus()
    return min(torch.cpu.get_capabilities().get("num_physical_cores") or cpus, cpus)


def _bf16_is_fast(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Without these instructions bf16 is emulated and many times slower than fp32.
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
