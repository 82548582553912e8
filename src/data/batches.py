"""Batches of augmented training images in a seeded order."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from src.cpus import usable_cpus
from src.errors import InputError
from src.ranks import OURS, Part, part_of
from src.workers import Workers

MAX_WORKERS = 8  # beyond that the main process has enough to do with what they deliver


Inputs = Callable[[np.ndarray, int], np.ndarray]  # of positions and an epoch: as `Augmentation`


class _ShuffledBatches:
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

    def __len__(self) -> int:
        return len(self.starts)

    def epoch(self, number: int) -> list[np.ndarray]:
        """The positions of each batch, int64 (B,)."""
        rng = np.random.default_rng((self.seed, number))
        if self.shares is None:
            order = rng.permutation(self.count)
        else:
            drawn = pd.Series(rng.choice(self.count, self.count, p=self.shares))
            order = (drawn + self.count * drawn.groupby(drawn).cumcount()).to_numpy()
        return np.split(order, self.starts[1:])

    @property
    def sizes(self) -> list[int]:
        """Of the batches."""
        return np.diff([*self.starts, self.count]).tolist()


class TrainingBatches:
    """The training images, shuffled and augmented anew each epoch; the last batch may be smaller.

    Each of several processes gets its part of every batch, the one in `parts`.

    Args:
        inputs: makes what the model takes from positions and an epoch, as an `Augmentation` does.
        labels: int64 (N,), of the same images.
        batch_size: images a batch, of all processes together.
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
        self.parts: list[Part] = [part_of(size) for size in self.order.sizes]
        self.labels, self.pin_memory = labels, pin_memory
        self.workers = Workers(
            partial(_make, inputs),
            workers,
            "workers: a process that augments images",
            "Try fewer workers, or workers: 0",
        )

    def __len__(self) -> int:
        return len(self.order)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs, augmented images being uint8 (B, H, W, 3), and labels, int64 (B,).

        Raises:
            InputError: a worker died, or does not answer.
        """
        whole = self.order.epoch(number)
        batches = [indices[part.where] for indices, part in zip(whole, self.parts, strict=True)]
        made = self.workers.map((number, indices) for indices in batches)
        for indices, inputs in zip(batches, made, strict=True):
            batch = torch.from_numpy(inputs), torch.from_numpy(self.labels[indices % len(self.labels)])
            yield (batch[0].pin_memory(), batch[1].pin_memory()) if self.pin_memory else batch


def _make(inputs: Inputs, request: tuple[int, np.ndarray]) -> np.ndarray:
    """By (epoch, positions): the epoch travels with the request, so workers may outlive it."""
    epoch, indices = request
    return inputs(indices, epoch)


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
    """How many workers this process gets: its share, rounded up.

    `auto` means none on a CPU, where they would only take cores from the training.
    """
    if isinstance(setting, int):
        return -(-setting // OURS.local_size)
    if device.type == "cpu":
        return 0
    return min(MAX_WORKERS, max(1, usable_cpus() // OURS.local_size - 1))
