"""One epoch of the real training, timed."""

import contextlib
import os
import time
from collections.abc import Iterator

import numpy as np
from torch import Tensor

from src import models, params
from src.augmentation import Augmentation
from src.batches import TrainingBatches, worker_count
from src.datasets import Split
from src.hardware import Hardware
from src.inference import Normalise
from src.resume import StateFile
from src.training import train

MEAN, STD = [0.5] * 3, [0.25] * 3


class MemoryBatches:
    """Batches that are there already, the same in every epoch: a loader that takes no time."""

    def __init__(self, batches: list[tuple[Tensor, Tensor]]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.batches)


def random_split(images: int) -> Split:
    """Noise, with labels of ten classes: the speed is that of any other images."""
    rng = np.random.default_rng(0)
    return Split(rng.integers(0, 256, (images, 32, 32, 3), np.uint8), rng.integers(0, 10, images))


def loaded_batches(settings: params.Params, split: Split, used: Hardware) -> TrainingBatches:
    """The real ones, with workers that have started."""
    augmentation = Augmentation(settings.augment, split.images, MEAN, 0)
    workers = worker_count(settings.workers, used.device)
    batches = TrainingBatches(
        augmentation, split.labels, settings.batch_size, 0, workers, used.device.type == "cuda"
    )
    for _ in batches.epoch(0):
        break
    return batches


def memory_batches(settings: params.Params, split: Split, used: Hardware) -> MemoryBatches:
    """The same, on the device."""
    loaded = loaded_batches(settings, split, used).epoch(1)
    return MemoryBatches([(images.to(used.device), labels.to(used.device)) for images, labels in loaded])


def seconds_an_epoch(
    settings: params.Params,
    used: Hardware,
    split: Split,
    state_file: StateFile | None = None,
    batches: MemoryBatches | None = None,
) -> float:
    """`src.training.train` on a new model, with augmentation, schedule and figures, without validation."""
    model = used.place(models.create(settings.model, 10, settings.norm))
    feed = batches or loaded_batches(settings, split, used)
    normalise = Normalise(MEAN, STD, used.device)
    once = settings.model_copy(update={"epochs": 1})
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        started = time.perf_counter()
        train(model, feed, split.take(np.arange(1)), normalise, used, once, True, state_file)
        return time.perf_counter() - started
