"""One epoch of the real training, timed."""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import cast

import numpy as np
from torch import Tensor

from src.data.augmentation import Augmentation
from src.data.batches import TrainingBatches, worker_count
from src.data.dataset import Split
from src.data.normalization import Normalize
from src.hardware import Hardware
from src.models.registry import create_model
from src.params import Params
from src.ranks import part_of
from src.training.checkpoint import CheckpointFile
from src.training.loop import train

MEAN, STD = [0.5] * 3, [0.25] * 3


class MemoryBatches:
    """Batches that are there already, the same in every epoch: a loader that takes no time."""

    def __init__(self, batches: list[tuple[Tensor, Tensor]]) -> None:
        self.batches = batches
        self.parts = [part_of(len(labels)) for _, labels in batches]

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.batches)


def random_split(images: int) -> Split:
    """Noise, with labels of ten classes: the speed is that of any other images."""
    rng = np.random.default_rng(0)
    return Split(rng.integers(0, 256, (images, 32, 32, 3), np.uint8), rng.integers(0, 10, images))


def loaded_batches(params: Params, split: Split, hardware: Hardware) -> TrainingBatches:
    """The real ones, with workers that have started."""
    augmentation = Augmentation(params.augment, split.images, MEAN, 0)
    workers = worker_count(params.workers, hardware.device)
    batches = TrainingBatches(
        augmentation, split.labels, params.batch_size, 0, workers, hardware.device.type == "cuda"
    )
    for _ in batches.epoch(0):
        break
    return batches


def memory_batches(params: Params, split: Split, hardware: Hardware) -> MemoryBatches:
    """`loaded_batches`, augmented once and kept on the device."""
    loaded = loaded_batches(params, split, hardware).epoch(1)
    return MemoryBatches(
        [(images.to(hardware.device), labels.to(hardware.device)) for images, labels in loaded]
    )


def seconds_an_epoch(
    params: Params,
    hardware: Hardware,
    split: Split,
    checkpoint: CheckpointFile | None = None,
    batches: MemoryBatches | None = None,
) -> float:
    """`src.training.train` on a new model, with augmentation, schedule and figures, without validation."""
    model = hardware.place(create_model(params.model, 10, params.norm))
    # To the loop anything with a length and epochs is a loader.
    feed = cast(TrainingBatches, batches or loaded_batches(params, split, hardware))
    normalize = Normalize(MEAN, STD, hardware.device)
    # A schedule may need more epochs than one; to the speed it makes no difference.
    steady = params.schedule.model_copy(update={"name": "constant"})
    once = params.model_copy(update={"epochs": 1, "schedule": steady})
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        started = time.perf_counter()
        train(model, feed, split.take(np.arange(1)), normalize, hardware, once, True, checkpoint)
        return time.perf_counter() - started
