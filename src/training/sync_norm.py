"""Batch norm with the statistics of the whole batch, of which several processes have a part each.

Ioffe & Szegedy, "Batch Normalization", 2015. torch's SyncBatchNorm is a layer that takes the place of others,
for GPUs alone; here every batch norm of every network is met where it calls torch.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from src import distributed
from src.ranks import OURS


def synchronized(norm: str) -> AbstractContextManager[object]:
    """Around the forward pass of a training: with `norm: sync_batch`, batch norm is over all processes."""
    return _Synchronized() if norm == "sync_batch" and OURS.size > 1 else nullcontext()


class _Synchronized(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func is F.batch_norm:
            return _batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As torch's function of that name."""
    statistics = running_mean, running_var
    if not training:
        return F.batch_norm(input, *statistics, weight, bias, training, momentum, eps)
    if input.device.type == "cuda":
        # What torch.nn.SyncBatchNorm calls: kernels of its own.
        from torch.nn.modules._functions import SyncBatchNorm

        group = torch.distributed.group.WORLD
        return SyncBatchNorm.apply(input, weight, bias, *statistics, eps, momentum, group, OURS.size)
    return batch_norm(input, *statistics, weight, bias, momentum, eps)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
) -> Tensor:
    """Normalize (N, C, ...) by the mean and variance of each channel in all processes' images."""
    others = [dim for dim in range(input.dim()) if dim != 1]
    shape = [-1 if dim == 1 else 1 for dim in range(input.dim())]
    count = distributed.total(input.numel() / input.shape[1])
    # In two passes: the difference of two large sums would lose digits.
    mean = _Sum.apply(input.sum(others, dtype=torch.float32)) / count
    centered = input - mean.view(shape)
    var = _Sum.apply(centered.square().sum(others)) / count
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(var * (count / max(count - 1, 1)), momentum)
    normalized = centered * (var + eps).rsqrt().view(shape)
    if weight is not None:
        normalized = normalized * weight.view(shape)
    if bias is not None:
        normalized = normalized + bias.view(shape)
    return normalized.to(input.dtype)


class _Sum(torch.autograd.Function):
    """Over all processes; what each gets depends on all, so the gradient is a sum over all, too."""

    @staticmethod
    def forward(_: Any, mine: Tensor) -> Tensor:
        return distributed.add_up(mine.clone())

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return distributed.add_up(gradient.clone())
