"""The learning-rate range test: a short training at rates from very low to far too high.

Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3, with the rate growing by the
same factor at each step, as in fastai.
"""

import math
from dataclasses import dataclass
from itertools import chain, count, cycle, islice

import numpy as np
from torch.optim.lr_scheduler import ExponentialLR

from src import distributed
from src.errors import InputError
from src.hardware import Hardware
from src.params import FindLrConfig, Params
from src.progress import bar
from src.training.frozen import HeadSetup
from src.training.optimizers import create_optimizers
from src.training.setup import TrainingSetup
from src.training.sync_norm import synchronized

MAX_SHARE = 0.04  # of the training's steps: with its start, on a CPU, less than a twentieth of the time
MIN_STEPS = 30  # with fewer there is no curve to read, however short the training
DIVERGENCE = 2.0  # times the untrained model's loss, in a single batch: nothing useful comes after that
FALL, RISE = 0.97, 1.1  # times the untrained model's loss, when smoothed: more than noise
WINDOW = 0.5  # decades of rates that the loss is averaged over; that of one batch is noisy


@dataclass(frozen=True)
class RangeTest:
    """Rates and, by rate, the loss of the batch before the step at that rate; float64 (N,) each.

    `smoothed` is the mean of a loss and of those within half of `WINDOW` on either side.
    """

    rates: np.ndarray
    losses: np.ndarray

    @property
    def smoothed(self) -> np.ndarray:
        decades = np.log10(self.rates)
        near = np.abs(decades[:, None] - decades) <= WINDOW / 2
        return near @ self.losses / near.sum(1)


def step_count(config: FindLrConfig, training_steps: int) -> int:
    """How many steps the test takes: at most `MAX_SHARE` of the training's, but at least `MIN_STEPS`."""
    return max(MIN_STEPS, min(config.steps, math.floor(MAX_SHARE * training_steps)))


def run_range_test(setup: TrainingSetup | HeadSetup, hardware: Hardware, params: Params) -> RangeTest:
    """Train with growing rates until the loss has diverged.

    Args:
        setup: its model is trained, and of no further use; that of the last layer, if this is all that is
            trained at first.
        hardware: device and precision.
        params: `epochs`, `optimizer` and `find_lr` matter here.

    Returns:
        Rates from `find_lr.lowest` up to `find_lr.highest`, or to where the loss diverged.
    """
    config = params.find_lr
    steps = step_count(config, params.epochs * len(setup.batches))
    model = hardware.place(setup.model).train()
    first = params.optimizer.model_copy(update={"lr": config.lowest})
    [optimizer] = create_optimizers(first, model)  # one: params.yaml may not ask for this with muon
    schedule = ExponentialLR(optimizer, (config.highest / config.lowest) ** (1 / (steps - 1)))
    rates: list[float] = []
    losses: list[float] = []
    # With few images the steps take more than an epoch.
    batches = chain.from_iterable(setup.batches.epoch(number) for number in count(1))
    parts = cycle(setup.batches.parts)
    distributed.seed_layers(params.seed, 0)
    with bar(total=steps, desc="range test", unit="batch") as progress:
        for step, ((images, labels), part) in enumerate(islice(zip(batches, parts, strict=False), steps), 1):
            images, labels = images.to(hardware.device), labels.to(hardware.device)
            with hardware.autocast(), synchronized(params.norm):
                inputs, targets = setup.objective.mix(setup.normalize(images), labels, 1, step)
                loss = setup.objective.loss(model(inputs), targets) * part.share
            # Waits for the device at every step: the test has to stop at the step that diverges.
            value = distributed.total(loss.item())
            if not value < DIVERGENCE * (losses[0] if losses else math.inf):  # nan is not less either
                break
            rates.append(optimizer.param_groups[0]["lr"])
            losses.append(value)
            loss.backward()
            distributed.add_up_gradients(model)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            progress.update()
    return RangeTest(np.array(rates), np.array(losses))


def choose_lr(test: RangeTest, config: FindLrConfig, schedule: str) -> float:
    """The rate to train with, to three digits.

    Only what comes before the smoothed loss rises above `RISE` counts: a network that has diverged can come
    back to guessing without having learned anything.

    Args:
        test: from `run_range_test`.
        config: the range, to be named if it is at fault.
        schedule: `one_cycle` rises to its highest rate slowly and leaves it again: it gets the rate after
            which the smoothed loss no longer falls, Smith's upper bound. The others start at the rate: they
            get the one where the loss falls most steeply, by the logarithm of the rate.

    Raises:
        InputError: the smoothed loss never falls below `FALL`.
    """
    untrained = min([*test.losses[:1], *test.smoothed[:1]], default=math.nan)
    risen = np.flatnonzero(test.smoothed > RISE * untrained)
    smoothed = test.smoothed[: risen[0]] if len(risen) else test.smoothed
    if not smoothed.min(initial=math.inf) < FALL * untrained:
        stopped_early = test.rates.max(initial=0) < 0.99 * config.highest
        advice = "a range that starts lower" if stopped_early or len(risen) else "higher rates"
        raise InputError(
            f"find_lr.lowest, find_lr.highest: between {config.lowest:g} and {config.highest:g} the loss "
            f"hardly falls below the {untrained:.2f} of the untrained network; try {advice}"
        )
    best = int(smoothed.argmin())
    if schedule != "one_cycle":
        slopes = np.gradient(smoothed, np.log(test.rates[: len(smoothed)]))
        best = int(slopes[: best + 1].argmin())
    return float(f"{test.rates[best]:.3g}")


def is_cut_short(test: RangeTest, chosen: float) -> bool:
    """Whether the rate chosen is the last of the test, so that a higher one may be better still."""
    return chosen >= 0.99 * test.rates[-1]
