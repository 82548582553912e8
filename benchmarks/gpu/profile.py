"""What one training step spends its time on."""

import time
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity
from torch.profiler import profile as profiler

from benchmarks.epoch import MEAN, STD, memory_batches, random_split
from src.data.normalization import Normalize
from src.hardware import choose_hardware, set_up_torch
from src.models.registry import create_model
from src.params import Params
from src.training.loop import Phase, TrainingState
from src.training.objective import Objective

WARM_UP, TIMED, SHOWN = 3, 5, 12  # steps, steps, operations


def of_a_step(params: Params) -> tuple[float, list[dict[str, Any]]]:
    """Milliseconds of a step without the profiler, and the operations that take most of one with it.

    On a GPU, times are the kernels'; on a CPU, those of operations without the ones that they call.
    """
    hardware = choose_hardware(params.device, params.precision, lambda _: None)
    set_up_torch(params.threads, params.deterministic)
    on_gpu = hardware.device.type == "cuda"
    batches = memory_batches(params, random_split(params.batch_size), hardware)
    images, labels = next(batches.epoch(1))
    model = hardware.place(create_model(params.model, 10, params.norm)).train()
    steps = WARM_UP + TIMED + 1
    state = TrainingState(model, params, steps, hardware.device, Phase(params.epochs))
    normalize, objective = Normalize(MEAN, STD, hardware.device), Objective(params.label_smoothing)

    def step() -> None:
        with hardware.autocast():
            inputs, targets = objective.mix(normalize(images), labels, 1, 1)
            loss = objective.loss(model(inputs), targets)
        state.step(loss)
        if on_gpu:
            torch.cuda.synchronize()

    for _ in range(WARM_UP):
        step()
    started = time.perf_counter()
    for _ in range(TIMED):
        step()
    milliseconds = (time.perf_counter() - started) / TIMED * 1e3
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profiler(activities=activities) as found:
        step()
    return milliseconds, largest(found, on_gpu)


def largest(found: Any, on_gpu: bool) -> list[dict[str, Any]]:
    """The operations that took most of the time, and their share of the time of all."""
    kind, key = DeviceType.CPU, "self_cpu_time_total"
    if on_gpu:  # kernels alone: the operations that start them show the same time again
        kind, key = DeviceType.CUDA, "self_device_time_total"
    events = [event for event in found.key_averages() if event.device_type == kind]
    events = sorted(
        (event for event in events if not event.is_user_annotation),
        key=lambda event: getattr(event, key),
        reverse=True,
    )
    total = sum(getattr(event, key) for event in events)
    return [
        {
            "operation": event.key,
            "calls": event.count,
            "ms": getattr(event, key) / 1e3,
            "share": getattr(event, key) / total,
        }
        for event in events[:SHOWN]
    ]
