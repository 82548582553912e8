"""Optimisers and learning-rate schedules, torch's own."""

from torch import nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from src import params


def create_optimiser(settings: params.Optimizer, model: nn.Module) -> Optimizer:
    """SGD with momentum over all the weights of `model`."""
    return SGD(
        model.parameters(),
        lr=settings.lr,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.nesterov,
    )


def create_schedule(settings: params.Schedule, optimiser: Optimizer, steps: int) -> LRScheduler:
    """A schedule to be stepped after every batch.

    Args:
        settings: `constant`, or `one_cycle`: a cosine up to the optimiser's rate and a cosine down; Smith &
            Topin, "Super-Convergence", 2017, with the momentum left alone.
        optimiser: its rate is the highest one.
        steps: batches in the whole training.
    """
    if settings.name == "constant":
        return ConstantLR(optimiser, factor=1.0)
    steps = max(steps, 3)
    return OneCycleLR(
        optimiser,
        max_lr=optimiser.param_groups[0]["lr"],
        total_steps=steps,
        pct_start=max(settings.peak, 2 / steps),  # torch divides by zero where one way takes no step
        div_factor=settings.start_divisor,
        final_div_factor=settings.end_divisor,
        cycle_momentum=False,
    )
