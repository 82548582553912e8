"""Labeled images on disk: for each part images and labels, and a description of all."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from src import artifacts
from src.data.images import Images, ImagesWriter, open_images, select
from src.defaults import Facts
from src.errors import InputError
from src.preprocessing import Preprocessing

PARTS = ("train", "val", "test")
METADATA = "metadata."  # begins the names of columns of the user's table that have no meaning here


@dataclass(frozen=True)
class Split:
    """One part of a dataset.

    Attributes:
        images: uint8 (N, H, W, 3), red, green, blue; an array, or read from disk when they are used.
        labels: int64 (N,), positions in the dataset's `classes`.
        groups: int64 (N,), equal for images that have to stay on one side of a split; None: each for itself.
    """

    images: Images
    labels: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> "Split":
        """The images at these positions, in this order."""
        groups = None if self.groups is None else self.groups[indices]
        return Split(select(self.images, indices), self.labels[indices], groups)


@dataclass(frozen=True)
class Dataset:
    """A training split and a test split of the same classes.

    Attributes:
        name: `cifar10`, `sample` or `images`.
        source: whose data it is; of the user's own images the folder.
        classes: names, in the order of the labels.
        train, test: the splits.
        val: images the user has set aside for validation, if so.
        preprocessing: how the pictures became squares.
        corrections: what data/corrections.csv has changed: `relabeled`, by part and position (as text) the
            name of the label before, and `removed`, how many images were left out; empty if nothing.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    val: Split | None = None
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    corrections: Mapping[str, Any] = field(default_factory=dict)

    @property
    def splits(self) -> dict[str, Split]:
        """By name; `val` only where there is one."""
        splits = {"train": self.train, "val": self.val, "test": self.test}
        return {part: split for part, split in splits.items() if split is not None}

    @property
    def facts(self) -> Facts:
        """What defaults depend on."""
        return Facts(len(self.train))


class DatasetWriter:
    """Writes a folder that `load_dataset` reads, part by part.

    Args:
        folder: exists.
        preprocessing: how the pictures became squares.
        store: `raw` or `jpeg`.
    """

    def __init__(self, folder: Path, preprocessing: Preprocessing, store: str = "raw") -> None:
        self.folder, self.preprocessing, self.store = folder, preprocessing, store
        self.sums: dict[str, str] = {}

    def write_part(
        self, part: str, images: Iterator[bytes], labels: np.ndarray, groups: np.ndarray | None = None
    ) -> None:
        """Write one part.

        Args:
            part: one of `PARTS`.
            images: as many as labels: pixels row by row, or JPEG files, as `store` says.
            labels: int64 (N,).
            groups: see `Split`.
        """
        with ImagesWriter(self.folder, part, len(labels), self.preprocessing.size, self.store) as writer:
            for image in images:
                writer.add(image)
        self.sums[f"{part}_images"] = writer.sha256.hexdigest()
        for name, array in (("labels", labels), ("groups", groups)):
            if array is not None:
                array = np.ascontiguousarray(array, np.int64)
                np.save(self.folder / f"{part}_{name}.npy", array, allow_pickle=False)
                self.sums[f"{part}_{name}"] = hashlib.sha256(array.data).hexdigest()

    def finish(
        self,
        name: str,
        source: str,
        classes: tuple[str, ...],
        corrections: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the description; see `Dataset`."""
        meta = {
            "name": name,
            "classes": classes,
            "source": source,
            "store": self.store,
            "preprocessing": self.preprocessing.to_dict(),
            "sha256": self.sums,
        }
        if corrections:
            meta["corrections"] = dict(corrections)
        artifacts.write_json(self.folder / "meta.json", meta)


@contextmanager
def dataset_writer(folder: Path, preprocessing: Preprocessing, store: str = "raw") -> Iterator[DatasetWriter]:
    """A writer whose folder appears complete, when the block ends, or not at all."""
    with artifacts.atomic_folder(folder) as temporary:
        yield DatasetWriter(temporary, preprocessing, store)


def save_dataset(dataset: Dataset, folder: Path) -> None:
    """Write the folder that `load_dataset` reads; it appears complete or not at all."""
    with dataset_writer(folder, dataset.preprocessing) as writer:
        for part, split in dataset.splits.items():
            pixels = (np.ascontiguousarray(split.images[i]).tobytes() for i in range(len(split)))
            writer.write_part(part, pixels, split.labels, split.groups)
        writer.finish(dataset.name, dataset.source, dataset.classes, dataset.corrections)


def load_dataset(folder: Path = artifacts.DATASET) -> Dataset:
    """Open a dataset; pixels are read from disk when they are used.

    Raises:
        InputError: a file is missing, damaged or of the wrong shape.
    """
    meta = artifacts.read_json(folder / "meta.json", "name", "source", "classes", "sha256")
    classes = tuple(meta["classes"])
    remedy = f"git restore {folder}" if folder == artifacts.SAMPLE else artifacts.REMEDY
    # The sample's description says nothing of how CIFAR-10's images became what they are.
    preprocessing = Preprocessing(**meta.get("preprocessing", {}))
    store = meta.get("store", "raw")

    splits: dict[str, Split] = {}
    for part in PARTS:
        if part == "val" and "val_images" not in meta["sha256"]:
            continue
        images = open_images(folder, part, store, preprocessing.size, remedy)
        arrays = {
            name: artifacts.read_array(folder / f"{part}_{name}.npy", np.int64, (len(images),), remedy)
            for name in ("labels", "groups")
            if name == "labels" or f"{part}_groups" in meta["sha256"]
        }
        labels = arrays["labels"]
        if not len(labels) > 0 or not 0 <= labels.min() <= labels.max() < len(classes):
            raise InputError(f"{folder}/{part}_labels.npy: does not fit the images and classes; {remedy}")
        splits[part] = Split(images, labels, arrays.get("groups"))
    return Dataset(
        meta["name"],
        meta["source"],
        classes,
        preprocessing=preprocessing,
        corrections=meta.get("corrections", {}),
        val=splits.pop("val", None),
        **splits,
    )


def read_files(part: str, folder: Path = artifacts.DATASET) -> pd.DataFrame | None:
    """About the file of each image of a part, in order; None where the dataset has no files.

    Returns:
        Columns `file`, `width`, `height`, `format`, `content` (SHA-256 of the file), `group`, `remark`, and
        what the user's table says, as `metadata.NAME`; all of them text but width and height.
    """
    path = folder / "files.csv"
    if not path.exists():
        return None
    numbers = dict.fromkeys(("index", "width", "height"), np.int64)
    table = pd.read_csv(path, dtype=str, keep_default_na=False).astype(numbers)
    return table[table["part"] == part].drop(columns=["part"]).reset_index(drop=True)


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Positions of the first `count` images of every class, in the order of the dataset."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:count] for c in np.unique(labels)]))


def hold_out(
    labels: np.ndarray, share: float, seed: int, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split positions into those to train on and those held out, the same share of every class.

    Args:
        labels: int64 (N,).
        share: of each class, rounded to whole images; at least one if above 0, but never all.
        seed: which images they are.
        groups: int64 (N,); images of the same group stay together, so that the shares are met less exactly.

    Returns:
        Two sorted arrays of positions, to train on and held out.
    """
    held_out = np.zeros(len(labels), bool)
    left = np.bincount(labels)  # images to train on, by class
    together = None if groups is None else _members(groups)
    for label in np.unique(labels) if share > 0 else ():
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(len(members) * share)), len(members) - 1)
        # A generator for each class: adding images to one leaves the others' choice alone.
        order = np.random.default_rng((seed, int(label))).permutation(members)
        if together is None:
            held_out[order[:count]] = True
            continue
        for position in order:
            if held_out[members].sum() >= count:
                break
            group = together[position]
            remaining = left - np.bincount(labels[group], minlength=len(left))
            if not held_out[position] and remaining[labels[group]].min() > 0:
                held_out[group], left = True, remaining
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _members(groups: np.ndarray) -> list[np.ndarray]:
    """For each position those of its whole group."""
    _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(number, kind="stable"), np.cumsum(sizes)[:-1])
    return [members[group] for group in number]
