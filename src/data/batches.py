"""Batches of augmented training images in a seeded order."""

import os
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from src.errors import InputError

MAX_WORKERS = 8  # beyond that the main process has enough to do with what they deliver


Inputs = Callable[[np.ndarray, int], np.ndarray]  # of positions and an epoch: as `Augmentation`


class _AugmentedBatches(Dataset):
    """Batch by (epoch, positions): the epoch travels with the request, so workers may outlive it."""

    def __init__(self, inputs: Inputs, labels: np.ndarray) -> None:
        self.inputs, self.labels = inputs, labels

    def __getitem__(self, request: tuple[int, np.ndarray]) -> tuple[Tensor, Tensor]:
        epoch, indices = request
        inputs = self.inputs(indices, epoch)
        return torch.from_numpy(inputs), torch.from_numpy(self.labels[indices % len(self.labels)])


class _ShuffledBatches(Sampler):
    """All positions once an epoch, in an order that depends on seed and epoch alone.

    A single image that would be left over for the last batch joins the one before: batch norm needs two.

    Args:
        count: of the positions.
        batch_size: positions a batch.
        seed: of the order.
        shares: float64 (count,), how likely each is drawn; then as many as there are are drawn, with
            replacement, and one that is drawn again is raised by `count`, so that it can be told apart.
    """

    def __init__(self, count: int, batch_size: int, seed: int, shares: np.ndarray | None = None) -> None:
        self.count, self.seed, self.shares = count, seed, shares
        self.starts = list(range(0, count, batch_size))
        if count > 1 and count - self.starts[-1] == 1 and batch_size > 1:
            del self.starts[-1]
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        if self.shares is None:
            order = rng.permutation(self.count)
        else:
            drawn = pd.Series(rng.choice(self.count, self.count, p=self.shares))
            order = (drawn + self.count * drawn.groupby(drawn).cumcount()).to_numpy()
        for start, end in zip(self.starts, [*self.starts[1:], self.count], strict=True):
            yield self.epoch, order[start:end]


class TrainingBatches:
    """The training images, shuffled and augmented anew each epoch; the last batch may be smaller.

    Args:
        inputs: makes what the model takes from positions and an epoch, as an `Augmentation` does.
        labels: int64 (N,), of the same images.
        batch_size: images a batch.
        seed: of the order.
        workers: processes that augment; 0 does it here. The batches are the same for any number.
        pin_memory: for a faster way to a GPU.
        balanced: an epoch is N images drawn with replacement, every class equally often on average.

    Raises:
        InputError: a batch would hold more images than there are.
    """

    def __init__(
        self,
        inputs: Inputs,
        labels: np.ndarray,
        batch_size: int,
        seed: int,
        workers: int = 0,
        pin_memory: bool = False,
        balanced: bool = False,
    ) -> None:
        if batch_size > len(labels):
            raise InputError(f"batch_size: {batch_size} is more than the {len(labels)} images to train on")
        shares = balanced_weights(labels)[labels] / len(labels) if balanced else None
        self.order = _ShuffledBatches(len(labels), batch_size, seed, shares)
        self.loader = DataLoader(
            _AugmentedBatches(inputs, labels),
            batch_size=None,  # a request is a whole batch already
            sampler=self.order,
            num_workers=workers,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # else it would draw from the generator the model draws from
        )

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs, augmented images being uint8 (B, H, W, 3), and labels, int64 (B,).

        Raises:
            InputError: a worker died.
        """
        self.order.epoch = number
        try:
            yield from self.loader
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise InputError(
                f"workers: a process that augments images died ({str(error).splitlines()[0]}); did memory "
                "run out? Try fewer workers, or workers: 0"
            ) from error


def balanced_weights(labels: np.ndarray, classes: int = 0) -> np.ndarray:
    """What an image of each class has to weigh so that all classes weigh the same, and images 1 on average.

    Args:
        labels: int64 (N,).
        classes: how many values are wanted, at least; there is one for each label anyway.

    Returns:
        float64 (classes,): N / (K · n) for a class with n images, K being the number of classes with any.
    """
    counts = np.bincount(labels, minlength=classes)
    return len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))


def worker_count(setting: int | str, device: torch.device) -> int:
    """How many workers `auto` means: none on a CPU, where they would only take cores from the training."""
    if isinstance(setting, int):
        return setting
    if device.type == "cpu":
        return 0
    return min(MAX_WORKERS, max(1, (os.cpu_count() or 1) - 1))
