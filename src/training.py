"""The training loop."""

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.averaging import MovingAverage
from src.batches import TrainingBatches
from src.datasets import Split
from src.errors import InputError
from src.hardware import Hardware
from src.inference import Normalise, predict_logits
from src.optimisers import create_optimisers
from src.params import Params
from src.progress import TrainingProgress
from src.resume import StateFile
from src.schedules import create_schedule
from src.scoring import accuracy, cross_entropy


@dataclass(frozen=True)
class Epoch:
    """A row of the training curves.

    `lr` is the rate of the last step. The training figures are of the augmented images, as the weights were
    when each batch came; the validation figures of plain images after the epoch; with `ema`
    those of the averaged weights.
    """

    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float

    def row(self) -> dict[str, float]:
        """By column name."""
        return asdict(self)


class _Tally:
    """Loss and accuracy so far in an epoch, summed on the device: no step waits for the numbers."""

    def __init__(self, epoch: int, device: torch.device) -> None:
        self.epoch = epoch
        self.sums = torch.zeros(2, dtype=torch.float64, device=device)  # loss, right answers
        self.good_steps = torch.zeros((), dtype=torch.int64, device=device)  # up to the first bad one
        self.images = 0
        self.rates: list[float] = []

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor, lr: float) -> None:
        loss = loss.detach()
        right = (logits.argmax(1) == labels).sum()
        self.sums += torch.stack([loss * len(labels), right])
        self.good_steps += torch.isfinite(self.sums[0])  # once infinite or nan, a sum stays so
        self.images += len(labels)
        self.rates.append(lr)

    def read(self) -> tuple[float, float]:
        """Mean loss and accuracy. On a GPU this waits for all steps before it.

        Raises:
            InputError: a loss was no number; names the step and the rate that led there.
        """
        loss, right = (self.sums / self.images).tolist()
        if not math.isfinite(loss):
            step = int(self.good_steps) + 1
            raise InputError(_diverged("loss", loss, self.epoch, step, self.rates[step - 1]))
        return loss, right

    def __str__(self) -> str:
        loss, right = self.read()
        return f"loss {loss:.4f}, accuracy {right:.2%}"


def train(
    model: nn.Module,
    batches: TrainingBatches,
    curve: Split,
    normalise: Normalise,
    hardware: Hardware,
    params: Params,
    keep_best: bool,
    state_file: StateFile | None = None,
    watch: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """Train `model` in place.

    Args:
        model: on the hardware's device.
        batches: what it learns from.
        curve: what the validation figures are computed on, epoch by epoch.
        normalise: turns stored images into the model's input.
        hardware: device and precision.
        params: `epochs`, `optimizer`, `schedule`, `label_smoothing` and `ema` matter here.
        keep_best: whether the curve's images may select anything: then the weights of the epoch with the
            highest validation accuracy (the first of equals) are left in the model, and `plateau` listens to
            the validation loss; else the last epoch's weights are, and it listens to the training loss.
        state_file: written after each epoch; what it holds is gone on from, to the same bits.
        watch: is handed every epoch when it is over, those before a restart at once.

    Returns:
        A row an epoch.

    Raises:
        InputError: the loss is no longer a number.
    """
    optimisers = create_optimisers(params.optimizer, model)
    schedules = [
        create_schedule(params.schedule, optimiser, params.epochs, len(batches)) for optimiser in optimisers
    ]
    once_an_epoch = params.schedule.name == "plateau"
    average = MovingAverage(model, params.ema) if params.ema else None
    tested = average.module if average else model
    curves: list[Epoch] = []
    best_weights = None
    if state := state_file and state_file.load():
        model.load_state_dict(state["model"])
        for stateful, found in zip(
            [*optimisers, *schedules], state["optimisers"] + state["schedules"], strict=True
        ):
            stateful.load_state_dict(found)
        if average:
            average.load_state_dict(state["average"])
        _set_random_state(state["random"], hardware.device)
        best_weights = state["best_weights"]
        curves = [Epoch(**row) for row in state["curves"]]
        print(f"going on after epoch {len(curves)} of {params.epochs}", flush=True)
        for row in curves:
            watch(row)

    progress = TrainingProgress(params.epochs, len(batches), done=len(curves))
    for epoch in range(len(curves) + 1, params.epochs + 1):
        model.train()
        tally = _Tally(epoch, hardware.device)
        for images, labels in progress.track(epoch, batches.epoch(epoch), tally.__str__):
            images = images.to(hardware.device, non_blocking=True)
            labels = labels.to(hardware.device, non_blocking=True)
            with hardware.autocast():
                logits = model(normalise(images))
                loss = F.cross_entropy(logits, labels, label_smoothing=params.label_smoothing)
            loss.backward()
            lr = optimisers[0].param_groups[0]["lr"]
            for optimiser, schedule in zip(optimisers, schedules, strict=True):
                optimiser.step()
                optimiser.zero_grad()
                if not once_an_epoch:
                    schedule.step()
            if average:
                average.update(model)
            tally.add(loss, logits, labels, lr)

        logits = predict_logits(tested, curve.images, normalise, hardware)
        val_loss = cross_entropy(logits, curve.labels)
        if not math.isfinite(val_loss):  # the last step's damage, which no training loss has seen
            raise InputError(_diverged("validation loss", val_loss, epoch, len(batches), lr))
        val_accuracy = accuracy(logits.argmax(1), curve.labels)
        curves.append(Epoch(epoch, lr, *tally.read(), val_loss, val_accuracy))
        progress.end_epoch(epoch, f"{tally}, validation {val_loss:.4f}, {val_accuracy:.2%}")
        watch(curves[-1])
        if once_an_epoch:
            for schedule in schedules:
                schedule.step(val_loss if keep_best else curves[-1].train_loss)
        if keep_best and best_epoch(curves) == epoch:
            best_weights = copy.deepcopy(tested.state_dict())
        if state_file:
            state = {
                "model": model.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in optimisers],
                "schedules": [schedule.state_dict() for schedule in schedules],
                "random": _random_state(hardware.device),
                "average": average.state_dict() if average else None,
                "best_weights": best_weights,
                "curves": [row.row() for row in curves],
            }
            state_file.save(state)

    if best_weights is None:
        best_weights = tested.state_dict()
    model.load_state_dict(best_weights)
    return curves


def _random_state(device: torch.device) -> list[Tensor]:
    """Of the generators that layers such as dropout draw from."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _set_random_state(states: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)


def _diverged(what: str, value: float, epoch: int, step: int, lr: float) -> str:
    return (
        f"optimizer.lr: the {what} became {value} in epoch {epoch} at step {step}, with a rate of {lr:g}; "
        "try a tenth of optimizer.lr, or precision: fp32"
    )


def best_epoch(curves: list[Epoch]) -> int:
    """The number of the epoch with the highest validation accuracy, the first of equals."""
    return max(curves, key=lambda row: row.val_accuracy).epoch
