"""Floating-point operations: how many a network takes, and how many the machine manages a second."""

import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from src.hardware import Hardware

SIDES = (1024, 2048, 4096)  # of square matrices; the fastest counts


def of_a_training_step(model: nn.Module, device: torch.device) -> float:
    """Operations to train on one image of 32×32: those of convolutions and matrix products, both ways."""
    images = torch.zeros(2, 3, 32, 32, device=device)
    with FlopCounterMode(display=False) as counter:
        model.train()(images).sum().backward()
    model.zero_grad()
    return counter.get_total_flops() / len(images)


def matrix_peak(hardware: Hardware) -> float:
    """Operations a second of the largest product of matrices, in the precision of `hardware`."""

    def seconds(side: int) -> float:
        a, b = (torch.rand(side, side, device=hardware.device).to(hardware.dtype) for _ in range(2))
        times = []
        for _ in range(4):
            started = time.perf_counter()
            a @ b
            if hardware.device.type == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        return min(times)

    return max(2 * side**3 / seconds(side) for side in SIDES)
