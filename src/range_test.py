"""The learning-rate range test: one short training at rates from very low to far too high.

Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3, with the rate growing by the
same factor at each step, as fastai has it.
"""

import math
from dataclasses import dataclass
from itertools import chain, count, islice

import numpy as np
from torch.nn import functional as F
from torch.optim.lr_scheduler import ExponentialLR

from src.errors import InputError
from src.hardware import Hardware
from src.optimisers import create_optimisers
from src.params import FindLr, Params
from src.preparation import Preparation
from src.progress import bar

SHARE = 0.04  # of the training's steps: with its start, on a CPU, less than a twentieth of the time
FEWEST = 30  # steps; with fewer there is no curve to read, however short the training
DIVERGED = 2.0  # times the untrained model's loss, in a single batch: nothing is to be seen behind that
FALLEN, RISEN = 0.97, 1.1  # times the untrained model's loss, when smoothed: no longer mere noise
WINDOW = 0.5  # decades of rates that the loss is averaged over; that of one batch is noisy


@dataclass(frozen=True)
class Curve:
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


def step_count(settings: FindLr, training_steps: int) -> int:
    """How many steps the test takes: at most `SHARE` of the training's, but at least `FEWEST`."""
    return max(FEWEST, min(settings.steps, math.floor(SHARE * training_steps)))


def range_test(prepared: Preparation, hardware: Hardware, params: Params) -> Curve:
    """Train with growing rates until the loss has diverged.

    Args:
        prepared: the model is trained, and spoilt.
        hardware: device and precision.
        params: `epochs`, `optimizer`, `find_lr` and `label_smoothing` matter here.

    Returns:
        Rates from `find_lr.lowest` on, up to `find_lr.highest` or where the loss diverged.
    """
    settings = params.find_lr
    steps = step_count(settings, params.epochs * len(prepared.batches))
    model = hardware.place(prepared.model).train()
    first = params.optimizer.model_copy(update={"lr": settings.lowest})
    [optimiser] = create_optimisers(first, model)
    schedule = ExponentialLR(optimiser, (settings.highest / settings.lowest) ** (1 / (steps - 1)))
    rates, losses = [], []
    # With few images the steps take more than an epoch.
    batches = chain.from_iterable(prepared.batches.epoch(number) for number in count(1))
    with bar(total=steps, desc="range test", unit="batch") as shown:
        for images, labels in islice(batches, steps):
            images, labels = images.to(hardware.device), labels.to(hardware.device)
            with hardware.autocast():
                logits = model(prepared.normalise(images))
                loss = F.cross_entropy(logits, labels, label_smoothing=params.label_smoothing)
            if not loss.item() < DIVERGED * (losses[0] if losses else math.inf):  # nan is not less either
                break
            rates.append(optimiser.param_groups[0]["lr"])
            losses.append(loss.item())
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            schedule.step()
            shown.update()
    return Curve(np.array(rates), np.array(losses))


def choose(curve: Curve, settings: FindLr, schedule: str) -> float:
    """The rate to train with, to three digits.

    Only what comes before the smoothed loss is `RISEN` counts: a network that has diverged can come back to
    guessing, and has not learnt anything by it.

    Args:
        curve: from `range_test`.
        settings: the range, to be named if it is at fault.
        schedule: `one_cycle` comes to its highest rate slowly and does not stay: it gets the one from which
            on the smoothed loss no longer falls, Smith's upper bound. The others begin with the rate and have
            to live with it: they get the one where the loss falls most steeply, by the logarithm of the rate.

    Raises:
        InputError: the smoothed loss is never `FALLEN`.
    """
    untrained = min([*curve.losses[:1], *curve.smoothed[:1]], default=math.nan)
    risen = np.flatnonzero(curve.smoothed > RISEN * untrained)
    smoothed = curve.smoothed[: risen[0]] if len(risen) else curve.smoothed
    if not smoothed.min(initial=math.inf) < FALLEN * untrained:
        stopped = curve.rates.max(initial=0) < 0.99 * settings.highest
        advice = "a range that begins lower" if stopped or len(risen) else "higher rates"
        raise InputError(
            f"find_lr.lowest, find_lr.highest: between {settings.lowest:g} and {settings.highest:g} the loss "
            f"hardly falls from the {untrained:.2f} of the untrained network; try {advice}"
        )
    best = int(smoothed.argmin())
    if schedule != "one_cycle":
        slopes = np.gradient(smoothed, np.log(curve.rates[: len(smoothed)]))
        best = int(slopes[: best + 1].argmin())
    return float(f"{curve.rates[best]:.3g}")


def is_cut_short(curve: Curve, chosen: float) -> bool:
    """Whether the rate chosen is the last of the test, so that a higher one may be better still."""
    return chosen >= 0.99 * curve.rates[-1]
