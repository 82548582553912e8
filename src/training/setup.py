"""What a training starts from: images, batches, an untrained model; the range test starts from the same."""

from dataclasses import dataclass

import torch

from src.data.augmentation import Augmentation
from src.data.batches import TrainingBatches, worker_count
from src.data.dataset import Dataset, Split, hold_out
from src.data.mean_std import MeanStd
from src.data.normalization import Normalize, to_device
from src.hardware import Hardware, set_up_torch
from src.models.base import Classifier
from src.models.registry import create_model
from src.params import Params

CPU = torch.device("cpu")
IMAGES_TO_PREPARE = 5_000  # that a model may look at before it is trained; enough for fast's whitening


@dataclass(frozen=True)
class TrainingSetup:
    """What a training starts from.

    Attributes:
        model: freshly initialized, on the CPU.
        train_split: the images to train on.
        augmentation: of these images.
        batches: of these images, augmented.
        val_split: what the validation figures are computed on: images held out; without any the test split,
            to be looked at, which selects nothing.
        held_out: whether `val_split` was held out of the training images.
        normalize: turns stored images into the model's input, on the hardware's device.
    """

    model: Classifier
    train_split: Split
    augmentation: Augmentation
    batches: TrainingBatches
    val_split: Split
    held_out: bool
    normalize: Normalize


def set_up_training(params: Params, dataset: Dataset, mean_std: MeanStd, hardware: Hardware) -> TrainingSetup:
    """Fix threads and seed, hold images out, build the model.

    Args:
        params: all that shapes a training.
        dataset: images and labels.
        mean_std: of the training split.
        hardware: what will be trained on.

    Raises:
        InputError: `validation` leaves no image to train on, or `batch_size` is more than there are.
    """
    set_up_torch(params.threads, params.deterministic)
    torch.manual_seed(params.seed)
    train_indices, val_indices = hold_out(dataset.train.labels, params.validation, params.seed)
    train_split = dataset.train.take(train_indices)
    mean, std = mean_std["mean"], mean_std["std"]
    augmentation = Augmentation(params.augment, train_split.images, mean, params.seed)
    batches = TrainingBatches(
        augmentation,
        train_split.labels,
        params.batch_size,
        params.seed,
        worker_count(params.workers, hardware.device),
        pin_memory=hardware.device.type == "cuda",
    )
    model = create_model(params.model, len(dataset.classes), params.norm)
    # On the CPU, so that the same filters come out whatever the training runs on.
    model.prepare(Normalize(mean, std, CPU)(to_device(train_split.images[:IMAGES_TO_PREPARE], CPU)))
    return TrainingSetup(
        model,
        train_split,
        augmentation,
        batches,
        val_split=dataset.train.take(val_indices) if len(val_indices) else dataset.test,
        held_out=len(val_indices) > 0,
        normalize=Normalize(mean, std, hardware.device),
    )
