"""One epoch of the real training, timed."""

import contextlib
import os
import time

import numpy as np

from src import models, params
from src.augmentation import Augmentation
from src.batches import TrainingBatches, worker_count
from src.datasets import Split
from src.hardware import Hardware
from src.inference import Normalise
from src.resume import StateFile
from src.training import train

MEAN, STD = [0.5] * 3, [0.25] * 3


def random_split(images: int) -> Split:
    """Noise, with labels of ten classes: the speed is that of any other images."""
    rng = np.random.default_rng(0)
    return Split(rng.integers(0, 256, (images, 32, 32, 3), np.uint8), rng.integers(0, 10, images))


def seconds_an_epoch(
    settings: params.Params, used: Hardware, split: Split, state_file: StateFile | None = None
) -> float:
    """`src.training.train` on a new model, with augmentation, schedule and figures, without validation."""
    model = used.place(models.create(settings.model, 10, settings.norm))
    augmentation = Augmentation(settings.augment, split.images, MEAN, 0)
    workers = worker_count(settings.workers, used.device)
    batches = TrainingBatches(
        augmentation, split.labels, settings.batch_size, 0, workers, used.device.type == "cuda"
    )
    normalise = Normalise(MEAN, STD, used.device)
    for _ in batches.epoch(0):  # by then the workers are there
        break
    once = settings.model_copy(update={"epochs": 1})
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        started = time.perf_counter()
        train(model, batches, split.take(np.arange(1)), normalise, used, once, True, state_file)
        return time.perf_counter() - started
