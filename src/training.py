"""The training loop."""

import copy
import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.batches import TrainingBatches
from src.datasets import Split
from src.errors import InputError
from src.hardware import Hardware
from src.inference import Normalise, predict_logits
from src.optimisers import create_optimiser, create_schedule
from src.params import Params
from src.progress import TrainingProgress
from src.scoring import accuracy, cross_entropy


@dataclass(frozen=True)
class Epoch:
    """A row of the training curves.

    `lr` is the rate of the last step. The training figures are of the augmented images, as the weights were
    when each batch came; the validation figures of plain images after the epoch.
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

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(2, dtype=torch.float64, device=device)  # loss, right answers
        self.images = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        right = (logits.argmax(1) == labels).sum()
        self.sums += torch.stack([loss.detach() * len(labels), right])
        self.images += len(labels)

    def read(self) -> tuple[float, float]:
        """Mean loss and accuracy. On a GPU this waits for all steps before it."""
        loss, right = (self.sums / self.images).tolist()
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
) -> list[Epoch]:
    """Train `model` in place.

    Args:
        model: on the hardware's device.
        batches: what it learns from.
        curve: what the validation figures are computed on, epoch by epoch.
        normalise: turns stored images into the model's input.
        hardware: device and precision.
        params: `epochs`, `optimizer`, `schedule` and `label_smoothing` matter here.
        keep_best: leave the weights of the epoch with the highest validation accuracy (the first of equals)
            in the model; else the last epoch's.

    Returns:
        A row an epoch.

    Raises:
        InputError: the loss is no longer a number.
    """
    optimiser = create_optimiser(params.optimizer, model)
    schedule = create_schedule(params.schedule, optimiser, params.epochs * len(batches))
    progress = TrainingProgress(params.epochs, len(batches))
    curves: list[Epoch] = []
    best_weights = None

    for epoch in range(1, params.epochs + 1):
        model.train()
        tally = _Tally(hardware.device)
        for images, labels in progress.track(epoch, batches.epoch(epoch), tally.__str__):
            images = images.to(hardware.device, non_blocking=True)
            labels = labels.to(hardware.device, non_blocking=True)
            with hardware.autocast():
                logits = model(normalise(images))
                loss = F.cross_entropy(logits, labels, label_smoothing=params.label_smoothing)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            lr = optimiser.param_groups[0]["lr"]
            schedule.step()
            tally.add(loss, logits, labels)

        train_loss, train_accuracy = tally.read()
        if not math.isfinite(train_loss):
            raise InputError(
                f"optimizer.lr: the loss became {train_loss} in epoch {epoch}; try less than {lr:g}"
            )
        logits = predict_logits(model, curve.images, normalise, hardware)
        val_loss = cross_entropy(logits, curve.labels)
        val_accuracy = accuracy(logits.argmax(1), curve.labels)
        curves.append(Epoch(epoch, lr, train_loss, train_accuracy, val_loss, val_accuracy))
        progress.end_epoch(epoch, f"{tally}, validation {val_loss:.4f}, {val_accuracy:.2%}")
        if keep_best and best_epoch(curves) == epoch:
            best_weights = copy.deepcopy(model.state_dict())

    if best_weights is not None:
        model.load_state_dict(best_weights)
    return curves


def best_epoch(curves: list[Epoch]) -> int:
    """The number of the epoch with the highest validation accuracy, the first of equals."""
    return max(curves, key=lambda row: row.val_accuracy).epoch
