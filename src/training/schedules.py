"""Learning-rate schedules, torch's own."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
)

from src.params import ScheduleConfig


def create_schedule(
    config: ScheduleConfig, optimizer: Optimizer, epochs: int, batches: int, share: float = 1.0
) -> LRScheduler:
    """A schedule to be stepped after every batch, but for `plateau`.

    Args:
        config: `constant`; `linear` or `cosine`, down to zero; `one_cycle`, a cosine up to the
            optimizer's rate and cosines down, Smith & Topin, "Super-Convergence", 2017, with the momentum
            left alone; `plateau`, to be stepped after every epoch with the loss it listens to.
        optimizer: its groups' rates are the highest ones.
        epochs: that the schedule is for.
        batches: in an epoch.
        share: of the whole training that these epochs are; `one_cycle.peak` is moved accordingly.
    """
    steps = epochs * batches
    if config.name == "constant":
        return ConstantLR(optimizer, factor=1.0)
    if config.name == "linear":
        return LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=steps)
    if config.name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    if config.name == "plateau":
        return ReduceLROnPlateau(
            optimizer,
            factor=config.plateau.factor,
            patience=config.plateau.patience,
            threshold=config.plateau.threshold,
        )
    # torch divides by zero where one of the ways takes no step.
    steps = max(steps, 4 if config.one_cycle.annihilation else 3)
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=steps,
        pct_start=max(config.one_cycle.peak * share / epochs, 2 / steps),
        div_factor=config.one_cycle.start_divisor,
        final_div_factor=config.one_cycle.end_divisor,
        three_phase=config.one_cycle.annihilation,
        cycle_momentum=False,
    )
