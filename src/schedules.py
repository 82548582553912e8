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

from src import params


def create_schedule(
    settings: params.Schedule, optimiser: Optimizer, epochs: int, batches: int
) -> LRScheduler:
    """A schedule to be stepped after every batch, but for `plateau`.

    Args:
        settings: `constant`; `linear` or `cosine`, down to nothing; `one_cycle`, a cosine up to the
            optimiser's rate and cosines down, Smith & Topin, "Super-Convergence", 2017, with the momentum
            left alone; `plateau`, to be stepped after every epoch with the loss it listens to.
        optimiser: its rate is the highest one.
        epochs: of the whole training.
        batches: in an epoch.
    """
    steps = epochs * batches
    if settings.name == "constant":
        return ConstantLR(optimiser, factor=1.0)
    if settings.name == "linear":
        return LinearLR(optimiser, start_factor=1.0, end_factor=0.0, total_iters=steps)
    if settings.name == "cosine":
        return CosineAnnealingLR(optimiser, T_max=steps)
    if settings.name == "plateau":
        return ReduceLROnPlateau(
            optimiser, factor=settings.factor, patience=settings.patience, threshold=settings.threshold
        )
    # torch divides by zero where one of the ways takes no step.
    steps = max(steps, 4 if settings.annihilation else 3)
    return OneCycleLR(
        optimiser,
        max_lr=optimiser.param_groups[0]["lr"],
        total_steps=steps,
        pct_start=max(settings.peak / epochs, 2 / steps),
        div_factor=settings.start_divisor,
        final_div_factor=settings.end_divisor,
        three_phase=settings.annihilation,
        cycle_momentum=False,
    )
