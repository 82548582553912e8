"""The training figures of an epoch."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from src import distributed
from src.errors import InputError
from src.ranks import Part


class EpochSums:
    """Loss and accuracy so far in an epoch, summed on the device: no step waits for the numbers."""

    def __init__(self, epoch: int, device: torch.device) -> None:
        self.epoch = epoch
        self.sums = torch.zeros(2, dtype=torch.float64, device=device)  # loss, right answers
        self.finite_steps = torch.zeros((), dtype=torch.int64, device=device)  # before the first bad one
        self.images = 0.0
        self.rates: list[float] = []

    @torch.no_grad()
    def add(self, logits: Tensor, targets: Tensor, lr: float, part: Part) -> None:
        loss = F.cross_entropy(logits.float(), targets, reduction="sum")
        labels = targets.argmax(1) if targets.is_floating_point() else targets
        right = (logits.argmax(1) == labels).sum()
        self.sums += torch.stack([loss, right]) * part.weight
        self.finite_steps += torch.isfinite(self.sums[0])  # once infinite or nan, a sum stays so
        self.images += len(labels) * part.weight
        self.rates.append(lr)

    def add_up(self) -> None:
        """Have those of all processes; up to here they are those of this one."""
        distributed.add_up(self.sums)
        self.images = distributed.total(self.images)
        self.finite_steps.fill_(-distributed.largest(-int(self.finite_steps)))

    def read(self) -> tuple[float, float]:
        """Mean loss and accuracy. On a GPU this waits for all steps before it.

        Raises:
            InputError: a loss was not a number; names the step and the rate that led there.
        """
        loss, right = (self.sums / self.images).tolist()
        if not math.isfinite(loss):
            step = int(self.finite_steps) + 1
            raise diverged("loss", loss, self.epoch, step, self.rates[step - 1])
        return loss, right

    def __str__(self) -> str:
        loss, right = self.read()
        return f"loss {loss:.4f}, accuracy {right:.2%}"


def diverged(what: str, value: float, epoch: int, step: int, lr: float) -> InputError:
    """What to raise where a loss is no longer a number."""
    return InputError(
        f"optimizer.lr: the {what} became {value} in epoch {epoch} at step {step}, with a rate of {lr:g}; "
        "try a tenth of optimizer.lr, or precision: fp32"
    )
