"""Labeled images on disk: four arrays and a description."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from src import artifacts
from src.errors import InputError


@dataclass(frozen=True)
class Split:
    """One part of a dataset.

    Attributes:
        images: uint8 (N, H, W, 3), red, green, blue.
        labels: int64 (N,), positions in the dataset's `classes`.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> "Split":
        """The images at these positions, in this order."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Dataset:
    """A training split and a test split of the same classes; `source` says whose data it is."""

    name: str
    source: str
    classes: tuple[str, ...]
    train: Split
    test: Split

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by the name of their file, without its ending."""
        return {
            "train_images": self.train.images,
            "train_labels": self.train.labels,
            "test_images": self.test.images,
            "test_labels": self.test.labels,
        }


def save_dataset(dataset: Dataset, folder: Path) -> None:
    """Write the folder that `load_dataset` reads; it appears complete or not at all."""
    with artifacts.atomic_folder(folder) as temporary:
        sums = {}
        for name, array in dataset.arrays().items():
            array = np.ascontiguousarray(array)
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)
            sums[name] = hashlib.sha256(array.data).hexdigest()
        meta = {
            "name": dataset.name,
            "classes": dataset.classes,
            "source": dataset.source,
            "sha256": sums,
        }
        artifacts.write_json(temporary / "meta.json", meta)


def load_dataset(folder: Path = artifacts.DATASET) -> Dataset:
    """Open a dataset; pixels are read from disk when they are used.

    Raises:
        InputError: a file is missing, damaged or of the wrong shape.
    """
    meta = artifacts.read_json(folder / "meta.json", "name", "source", "classes")

    classes = tuple(meta["classes"])
    remedy = f"git restore {folder}" if folder == artifacts.SAMPLE else artifacts.REMEDY

    splits = []
    for name in ("train", "test"):
        images = artifacts.read_array(folder / f"{name}_images.npy", np.uint8, (None, None, None, 3), remedy)
        labels = artifacts.read_array(folder / f"{name}_labels.npy", np.int64, (None,), remedy)
        split = Split(images, labels)
        if not len(labels) == len(images) > 0 or not 0 <= labels.min() <= labels.max() < len(classes):
            raise InputError(f"{folder}/{name}_labels.npy: does not fit the images and classes; {remedy}")
        splits.append(split)
    return Dataset(meta["name"], meta["source"], classes, *splits)


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Positions of the first `count` images of every class, in the order of the dataset."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:count] for c in np.unique(labels)]))


def hold_out(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split positions into those to train on and those held out, the same share of every class.

    Args:
        labels: int64 (N,).
        share: of each class, rounded to whole images; at least one if above 0.
        seed: which images they are.

    Returns:
        Two sorted arrays of positions, to train on and held out.

    Raises:
        InputError: nothing is left to train on.
    """
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = max(1, round(len(members) * share)) if share > 0 else 0
        # A generator for each class: adding images to one leaves the others' choice alone.
        held_out[np.random.default_rng((seed, int(label))).permutation(members)[:count]] = True
    if held_out.all():
        raise InputError(f"validation: {share} leaves none of the {len(labels)} images to train on")
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
