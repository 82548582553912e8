"""The training loop."""

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from src import distributed
from src.data.batches import TrainingBatches
from src.data.dataset import Split
from src.evaluation.inference import predict_logits
from src.evaluation.scores import accuracy, cross_entropy
from src.hardware import Hardware
from src.params import Params
from src.progress import TrainingProgress
from src.ranks import OURS
from src.training.checkpoint import CheckpointFile
from src.training.ema import WeightAverage
from src.training.epoch_sums import EpochSums, diverged
from src.training.objective import Objective
from src.training.optimizers import create_optimizers
from src.training.schedules import create_schedule
from src.training.sync_norm import synchronized


@dataclass(frozen=True)
class Epoch:
    """A row of the training curves.

    `lr` is the rate of the last step. The training figures are of the augmented images, with the weights as
    they were for each batch; the validation figures are of plain images after the epoch, with `ema` those of
    the averaged weights. Both losses are plain cross-entropy: what label smoothing and class weights do to
    the loss that is minimized is left out, so that the two can be compared. Where images are mixed, the
    training loss is against their mixed labels, and right is who names the class with the larger share.
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


@dataclass(frozen=True)
class Phase:
    """A part of a training, with optimizers and a schedule of its own.

    Attributes:
        last: its last epoch, of the `params.epochs` of the whole.
        before: the rows of the epochs that came before; the weights to start from are the best of those.
        backbone: weights that are trained at `optimizer.backbone_lr`.
    """

    last: int
    before: tuple[Epoch, ...] = ()
    backbone: tuple[nn.Parameter, ...] = ()


class TrainingState:
    """All that changes while a model is trained, and thus all that a checkpoint has to hold.

    Args:
        model: on its device; trained in place.
        params: `epochs`, `optimizer`, `schedule` and `ema` matter here.
        steps: batches in an epoch.
        device: the model's.
        phase: the part of the training.
    """

    def __init__(
        self, model: nn.Module, params: Params, steps: int, device: torch.device, phase: Phase
    ) -> None:
        self.model, self.device = model, device
        self.optimizers = create_optimizers(params.optimizer, model, phase.backbone)
        epochs = phase.last - len(phase.before)
        self.schedules = [
            create_schedule(params.schedule, optimizer, epochs, steps, epochs / params.epochs)
            for optimizer in self.optimizers
        ]
        self.ema = WeightAverage(model, params.ema) if params.ema else None
        self.best_weights: dict[str, Tensor] | None = None
        self.curves = list(phase.before)

    @property
    def evaluated(self) -> nn.Module:
        """The model that is validated and kept: the average of the weights, if there is one."""
        return self.ema.module if self.ema else self.model

    def step(self, loss: Tensor) -> float:
        """Change the weights by a step against the loss; returns its rate, with muon that of its part.

        Args:
            loss: this process's share of that of the batch.
        """
        loss.backward()
        distributed.add_up_gradients(self.model)
        lr = self.optimizers[0].param_groups[0]["lr"]  # before schedule.step()
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            optimizer.step()
            optimizer.zero_grad()
            if not isinstance(schedule, ReduceLROnPlateau):  # that one steps once an epoch
                schedule.step()
        if self.ema:
            self.ema.update(self.model)
        return lr

    def agree(self) -> None:
        """Have the first process's statistics of batch norm; those of another are of other images."""
        distributed.take_from_first([self.model, *([self.ema.module] if self.ema else [])])

    def resume(self, checkpoint: CheckpointFile) -> bool:
        """Go back to what was saved; whether there was anything."""
        # The first process reads and writes: another may be on a machine that has no such file.
        saved = distributed.of_first(checkpoint.load)
        if saved:
            self.load_state_dict(saved)
        return bool(saved)

    def save(self, checkpoint: CheckpointFile | None) -> None:
        """Write what `resume` reads."""
        if checkpoint and OURS.rank == 0:
            checkpoint.save(self.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes to resume from here."""
        return {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "schedules": [schedule.state_dict() for schedule in self.schedules],
            "random": _random_state(self.device),
            "ema": self.ema.state_dict() if self.ema else None,
            "best_weights": self.best_weights,
            "curves": [row.row() for row in self.curves],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from what `state_dict` gave, to the same bits."""
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        for schedule, saved in zip(self.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(saved)
        if self.ema:
            self.ema.load_state_dict(state["ema"])
        _set_random_state(state["random"], self.device)
        self.best_weights = state["best_weights"]
        self.curves = [Epoch(**row) for row in state["curves"]]


def train(
    model: nn.Module,
    batches: TrainingBatches,
    val_split: Split,
    normalize: Callable[[Tensor], Tensor],
    hardware: Hardware,
    params: Params,
    keep_best: bool,
    checkpoint: CheckpointFile | None = None,
    on_epoch_end: Callable[[Epoch], None] = lambda _: None,
    objective: Objective | None = None,
    phase: Phase | None = None,
) -> list[Epoch]:
    """Train `model` in place; returns one row per epoch, beginning with those before the phase.

    Args:
        model: on the hardware's device.
        batches: what it learns from.
        val_split: what the validation figures are computed on after each epoch.
        normalize: turns what the batches and the split hold into the model's input.
        hardware: device and precision.
        params: `epochs`, `optimizer`, `schedule`, `label_smoothing` and `ema` matter here.
        keep_best: whether `val_split` may select anything: then the model is left with the weights of the
            epoch of highest validation accuracy (the first of equals), and `plateau` listens to the
            validation loss; else with the last epoch's, and it listens to the training loss.
        checkpoint: written after each epoch; resumed from if there is one.
        on_epoch_end: is handed every epoch when it is over; after a restart, the earlier ones at once.
        objective: what is minimized; by default cross-entropy with `label_smoothing`.
        phase: the part of the training; by default all of it.

    Raises:
        InputError: the loss is no longer a number.
    """
    objective = objective or Objective(params.label_smoothing)
    phase = phase or Phase(params.epochs)
    state = TrainingState(model, params, len(batches), hardware.device, phase)
    if keep_best and phase.before:
        state.best_weights = copy.deepcopy(model.state_dict())
    if checkpoint and state.resume(checkpoint):
        print(f"resumes after epoch {len(state.curves)} of {params.epochs}", flush=True)
        for row in state.curves[len(phase.before) :]:
            on_epoch_end(row)
    state.agree()
    left = phase.last - len(state.curves)
    progress = TrainingProgress(params.epochs, len(batches), epochs_done=params.epochs - left)
    for epoch in range(len(state.curves) + 1, phase.last + 1):
        model.train()  # validation left it in evaluation mode
        distributed.seed_layers(params.seed, epoch)
        sums = EpochSums(epoch, hardware.device)
        loaded = progress.track(epoch, batches.epoch(epoch), sums.__str__)
        for step, ((images, labels), part) in enumerate(zip(loaded, batches.parts, strict=True), 1):
            # On a GPU neither copy waits for the step that is still running.
            images, labels = (x.to(hardware.device, non_blocking=True) for x in (images, labels))
            # Only forward: backward uses the types that forward chose.
            with hardware.autocast(), synchronized(params.norm):
                inputs, targets = objective.mix(normalize(images), labels, epoch, step)
                logits = model(inputs)
                loss = objective.loss(logits, targets)
            lr = state.step(loss * part.share)
            sums.add(logits, targets, lr, part)  # stays on the device: a look would wait for the step

        state.agree()
        val_loss, val_accuracy = _validate(state.evaluated, val_split, normalize, hardware)
        if not math.isfinite(val_loss):  # the damage of the last step, which no training loss has seen
            raise diverged("validation loss", val_loss, epoch, len(batches), lr)
        sums.add_up()
        # sums.read() waits for the GPU, once an epoch, and raises if a loss was not finite.
        state.curves.append(Epoch(epoch, lr, *sums.read(), val_loss, val_accuracy))
        progress.end_epoch(epoch, f"{sums}, validation {val_loss:.4f}, {val_accuracy:.2%}")
        on_epoch_end(state.curves[-1])
        for schedule in state.schedules:
            if isinstance(schedule, ReduceLROnPlateau):
                schedule.step(val_loss if keep_best else state.curves[-1].train_loss)
        if keep_best and best_epoch(state.curves) == epoch:
            # A copy: state_dict() holds the live tensors, which the next step overwrites.
            state.best_weights = copy.deepcopy(state.evaluated.state_dict())
        state.save(checkpoint)

    model.load_state_dict(state.best_weights or state.evaluated.state_dict())
    return state.curves


def _validate(
    model: nn.Module, split: Split, normalize: Callable[[Tensor], Tensor], hardware: Hardware
) -> tuple[float, float]:
    """Loss and accuracy."""
    logits = predict_logits(model, split.images, normalize, hardware)
    return cross_entropy(logits, split.labels), accuracy(logits.argmax(1), split.labels)


def best_epoch(curves: list[Epoch]) -> int:
    """The number of the epoch with the highest validation accuracy, the first of equals."""
    return max(curves, key=lambda row: row.val_accuracy).epoch


def _random_state(device: torch.device) -> list[Tensor]:
    """Of the generators that layers such as dropout draw from."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _set_random_state(states: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
