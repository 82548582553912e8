"""Batches of augmented training images in a seeded order."""

import os
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from src.data.augmentation import Augmentation
from src.errors import InputError

MAX_WORKERS = 8  # beyond that the main process has enough to do with what they deliver


class _AugmentedBatches(Dataset):
    """Batch by (epoch, positions): the epoch travels with the request, so workers may outlive it."""

    def __init__(self, augmentation: Augmentation, labels: np.ndarray) -> None:
        self.augmentation, self.labels = augmentation, labels

    def __getitem__(self, request: tuple[int, np.ndarray]) -> tuple[Tensor, Tensor]:
        epoch, indices = request
        images = self.augmentation(indices, epoch)
        return torch.from_numpy(images), torch.from_numpy(self.labels[indices])


class _ShuffledBatches(Sampler):
    """All positions once an epoch, in an order that depends on seed and epoch alone."""

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.epoch = 0

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
        for start in range(0, self.count, self.batch_size):
            yield self.epoch, order[start : start + self.batch_size]


class TrainingBatches:
    """The training images, shuffled and augmented anew each epoch; the last batch may be smaller.

    Args:
        augmentation: holds the images.
        labels: int64 (N,), of the same images.
        batch_size: images a batch.
        seed: of the order.
        workers: processes that augment; 0 does it here. The batches are the same for any number.
        pin_memory: for a faster way to a GPU.

    Raises:
        InputError: a batch would hold more images than there are.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        labels: np.ndarray,
        batch_size: int,
        seed: int,
        workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        if batch_size > len(labels):
            raise InputError(f"batch_size: {batch_size} is more than the {len(labels)} images to train on")
        self.order = _ShuffledBatches(len(labels), batch_size, seed)
        self.loader = DataLoader(
            _AugmentedBatches(augmentation, labels),
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
        """Images, uint8 (B, H, W, 3), and labels, int64 (B,).

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


def worker_count(setting: int | str, device: torch.device) -> int:
    """How many workers `auto` means: none on a CPU, where they would only take cores from the training."""
    if isinstance(setting, int):
        return setting
    if device.type == "cpu":
        return 0
    return min(MAX_WORKERS, max(1, (os.cpu_count() or 1) - 1))
