"""What a training starts from: images, batches, an untrained model; the range test starts from the same."""

from dataclasses import dataclass

import numpy as np
import torch

from src import artifacts
from src.data.augmentation import Augmentation
from src.data.batches import TrainingBatches, balanced_weights, worker_count
from src.data.dataset import Dataset, Split, hold_out
from src.data.mean_std import MeanStd
from src.data.normalization import Normalize, to_device
from src.hardware import Hardware, set_up_torch
from src.models.base import Classifier
from src.models.registry import create_model
from src.params import Params
from src.training.objective import Mixing, Objective

CPU = torch.device("cpu")
IMAGES_TO_PREPARE = 5_000  # that a model may look at before it is trained; enough for fast's whitening


@dataclass(frozen=True)
class TrainingSetup:
    """What a training starts from.

    Attributes:
        model: freshly initialized, on the CPU.
        train_split: the images to train on.
        train_indices: int64, their positions in the dataset's training split.
        augmentation: of these images.
        batches: of these images, augmented.
        val_split: what the validation figures are computed on: images held out; without any the test split,
            to be looked at, which selects nothing.
        held_out: whether `val_split` was held out of the training images.
        mean_std: of the training split, or those that the model's weights were trained with.
        normalize: turns stored images into the model's input with these, on the hardware's device.
        objective: what is minimized.
    """

    model: Classifier
    train_split: Split
    train_indices: np.ndarray
    augmentation: Augmentation
    batches: TrainingBatches
    val_split: Split
    held_out: bool
    mean_std: MeanStd
    normalize: Normalize
    objective: Objective


def with_chosen_lr(params: Params) -> Params:
    """The parameters with the rate that `find_lr` has passed on, found or given."""
    lr = artifacts.read_json(artifacts.LR, "lr")["lr"]
    return params.model_copy(update={"optimizer": params.optimizer.model_copy(update={"lr": lr})})


def set_up_training(params: Params, dataset: Dataset, mean_std: MeanStd, hardware: Hardware) -> TrainingSetup:
    """Fix threads and seed, build the model, hold images out; prints where either is not as usual.

    Args:
        params: all that shapes a training.
        dataset: images and labels.
        mean_std: of the training split; not used where the model's weights come with their own.
        hardware: what will be trained on.

    Raises:
        InputError: the model cannot be built, or `batch_size` is more than there are images.
    """
    set_up_torch(params.threads, params.deterministic)
    torch.manual_seed(params.seed)
    size = dataset.train.images.shape[1]
    model = create_model(params.model, len(dataset.classes), params.norm, size, params.stem, params.weights)
    if model.statistics:
        mean_std = {"mean": list(model.statistics.mean), "std": list(model.statistics.std)}
        print(
            f"images are normalized with the weights' own statistics: mean {_listed(mean_std['mean'])}, "
            f"std {_listed(mean_std['std'])}"
        )
    mean, std = mean_std["mean"], mean_std["std"]
    train_indices, val_split = _validation(params, dataset)
    train_split = dataset.train if val_split is dataset.val else dataset.train.take(train_indices)
    augmentation = Augmentation(params.augment, train_split.images, mean, params.seed)
    batches = TrainingBatches(
        augmentation,
        train_split.labels,
        params.batch_size,
        params.seed,
        worker_count(params.workers, hardware.device),
        pin_memory=hardware.device.type == "cuda",
        balanced=params.class_weights == "sampler",
    )
    if params.weights == "none":
        # On the CPU, so that the same filters come out whatever the training runs on.
        model.prepare(Normalize(mean, std, CPU)(to_device(train_split.images[:IMAGES_TO_PREPARE], CPU)))
    return TrainingSetup(
        model,
        train_split,
        train_indices,
        augmentation,
        batches,
        val_split=val_split or dataset.test,
        held_out=val_split is not None,
        mean_std=mean_std,
        normalize=Normalize(mean, std, hardware.device),
        objective=_objective(params, train_split.labels, len(dataset.classes), hardware.device),
    )


def _validation(params: Params, dataset: Dataset) -> tuple[np.ndarray, Split | None]:
    """Positions of the images to train on; and images to select by, if there are any."""
    train = dataset.train
    if dataset.val:
        print(f"validation: the {len(dataset.val):,} images of the val part; none are held out of training")
        return np.arange(len(train)), dataset.val
    train_indices, val_indices = hold_out(train.labels, params.validation, params.seed, train.groups)
    return train_indices, train.take(val_indices) if len(val_indices) else None


def _objective(params: Params, labels: np.ndarray, classes: int, device: torch.device) -> Objective:
    weights = None
    if params.class_weights == "balanced":
        weights = torch.tensor(balanced_weights(labels, classes), dtype=torch.float32, device=device)
    mix = params.augment.mix
    return Objective(
        params.label_smoothing, weights, None if mix == "none" else Mixing(mix, classes, params.seed)
    )


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)
