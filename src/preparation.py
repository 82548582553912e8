"""A model and its batches, as a training begins; the range test begins in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from src import datasets, hardware, models
from src.augmentation import Augmentation
from src.batches import TrainingBatches, worker_count
from src.inference import Normalise, to_device
from src.models.base import Classifier
from src.params import Params

CPU = torch.device("cpu")
PREPARE = 5_000  # images that a model may look at before it is trained


@dataclass(frozen=True)
class Preparation:
    """What a training begins with.

    Attributes:
        model: freshly initialised, on the CPU.
        split: the images to train on.
        augmentation: of these images.
        batches: of these images, augmented.
        curve: what the validation figures are computed on: images held out; without any the test split, to be
            looked at, which selects nothing.
        held_out: whether `curve` was held out of the training images.
        normalise: turns stored images into the model's input, on the hardware's device.
    """

    model: Classifier
    split: datasets.Split
    augmentation: Augmentation
    batches: TrainingBatches
    curve: datasets.Split
    held_out: bool
    normalise: Normalise


def prepare(
    settings: Params, dataset: datasets.Dataset, stats: Mapping[str, Any], used: hardware.Hardware
) -> Preparation:
    """Fix threads and seed, hold images out, build the model.

    Args:
        settings: all that shapes a training.
        dataset: images and labels.
        stats: `mean` and `std` of the training split, see `src.stats`.
        used: what will be trained on.

    Raises:
        InputError: `validation` leaves no image to train on, or `batch_size` is more than there are.
    """
    hardware.set_up(settings.threads, settings.deterministic)
    torch.manual_seed(settings.seed)
    learn, held_out = datasets.hold_out(dataset.train.labels, settings.validation, settings.seed)
    split = dataset.train.take(learn)
    augmentation = Augmentation(settings.augment, split.images, stats["mean"], settings.seed)
    batches = TrainingBatches(
        augmentation,
        split.labels,
        settings.batch_size,
        settings.seed,
        worker_count(settings.workers, used.device),
        pin_memory=used.device.type == "cuda",
    )
    model = models.create(settings.model, len(dataset.classes), settings.norm)
    first = to_device(split.images[:PREPARE], CPU)
    model.prepare(Normalise(stats["mean"], stats["std"], CPU)(first))
    return Preparation(
        model,
        split,
        augmentation,
        batches,
        dataset.train.take(held_out) if len(held_out) else dataset.test,
        len(held_out) > 0,
        Normalise(stats["mean"], stats["std"], used.device),
    )
