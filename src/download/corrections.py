"""Corrected labels: images get the right class, or are left out, before anything is made of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from src import artifacts
from src.data.corrections import pixel_sha256, read_corrections
from src.data.dataset import PARTS, Dataset, Split
from src.download.names import counted, first_few
from src.errors import InputError, suggest


@dataclass(frozen=True)
class Corrected:
    """What becomes of images.

    Attributes:
        labels: object (N,), names of classes.
        kept: bool (N,), False for those that are left out.
    """

    labels: np.ndarray
    kept: np.ndarray


def correct_dataset(dataset: Dataset) -> Dataset:
    """A dataset whose images have no files, as data/corrections.csv would have it; prints what has changed.

    Raises:
        InputError: the table is missing or wrong, names a class that there is not, or leaves a split without
            images or a class without training images.
    """
    table = read_corrections()
    if table.empty:
        return dataset
    splits = dataset.splits
    contents = [content for split in splits.values() for content in pixel_sha256(split.images)]
    numbers = np.concatenate([split.labels for split in splits.values()])
    labels = np.array(dataset.classes, object)[numbers]
    corrected = correct(table, contents, labels, dataset.classes)
    part = np.repeat(list(splits), [len(split) for split in splits.values()])
    for name in splits:
        if not corrected.kept[part == name].any():
            raise InputError(f"{artifacts.CORRECTIONS}: leaves no image in the split {name}")
    trained = part == "train"
    check_left(labels[trained], corrected.labels[trained & corrected.kept], " to train on")
    kept = corrected.kept
    corrections = summarize(part[kept], corrected.labels[kept], labels[kept], int((~kept).sum()))
    for name, split in splits.items():
        splits[name] = _corrected_split(split, dataset.classes, corrected, part == name)
    train, val, test = splits["train"], splits.get("val"), splits["test"]
    return replace(dataset, train=train, val=val, test=test, corrections=corrections)


def _corrected_split(
    split: Split, classes: tuple[str, ...], corrected: Corrected, members: np.ndarray
) -> Split:
    labels = pd.Categorical(corrected.labels[members], categories=list(classes)).codes
    kept = corrected.kept[members]
    relabeled = replace(split, labels=labels.astype(np.int64))
    return relabeled if kept.all() else relabeled.take(np.flatnonzero(kept))


def correct_files(
    images: pd.DataFrame, classes: Collection[str], other_classes: Collection[str]
) -> pd.DataFrame:
    """The user's images, as data/corrections.csv would have them; prints what has changed.

    Args:
        images: usable ones: `content`, SHA-256 of the file, `label`, and whatever else.
        classes, other_classes: as `correct` takes them.

    Returns:
        The same without those that are left out, and with a column `original`, the label before.

    Raises:
        InputError: the table is missing or wrong, names a class that there is not, or leaves one without
            images.
    """
    table = read_corrections()
    if table.empty:
        return images.assign(original=images["label"])
    labels = images["label"].to_numpy(object)
    corrected = correct(table, images["content"].tolist(), labels, classes, other_classes)
    check_left(labels, corrected.labels[corrected.kept])
    images = images.assign(label=corrected.labels, original=labels)
    return images[corrected.kept].reset_index(drop=True)


def correct(
    table: pd.DataFrame,
    contents: Sequence[str],
    labels: np.ndarray,
    classes: Collection[str],
    other_classes: Collection[str] = (),
) -> Corrected:
    """Look up each image, and print what has changed and which corrections are about none.

    Args:
        table: as `read_corrections` gives it.
        contents: SHA-256 of each image, as `src.data.corrections.image_sha256` has it.
        labels: object (N,), the name of each image's class.
        classes: that there are.
        other_classes: that there are, but that are not used; neither are images that belong to them.

    Raises:
        InputError: the right class of an image is unknown.
    """
    rows = {(row["sha256"], row["label"]): (number, row) for number, row in table.to_dict("index").items()}
    corrected, kept = labels.copy(), np.ones(len(labels), bool)
    known = list(zip(contents, labels, strict=True))
    for position, image in enumerate(known):
        number, row = rows.get(image, (0, None))
        if row is None or row["verdict"] == "fine":
            continue
        if row["verdict"] == "unusable" or row["class"] in other_classes:
            kept[position] = False
        elif row["class"] in classes:
            corrected[position] = row["class"]
        else:
            raise InputError(
                f"{artifacts.CORRECTIONS}: row {number + 1}: there is no class {row['class']!r}; "
                f"{suggest(row['class'], classes)}"
            )
    _report_unused(rows, known)
    relabeled, removed = int((corrected != labels).sum()), int((~kept).sum())
    if relabeled or removed:
        print(f"corrections: {counted(relabeled, 'image')} relabeled, {counted(removed, 'image')} left out")
    return Corrected(corrected, kept)


def _report_unused(rows: dict[tuple[str, str], tuple[int, Any]], known: list[tuple[str, str]]) -> None:
    images, contents = set(known), {content for content, _ in known}
    absent, stale = 0, []
    for (content, label), (number, row) in rows.items():
        if content not in contents:
            absent += 1
        elif (content, label) not in images and (content, row["class"]) not in images:
            stale.append(f"row {number + 1}")
    if absent:
        print(
            f"{artifacts.CORRECTIONS}: ignored {counted(absent, 'row')} about images that this dataset "
            "does not have"
        )
    if stale:
        print(
            f"{artifacts.CORRECTIONS}: ignored {counted(len(stale), 'row')} whose image has a different "
            f"label now: {first_few(stale)}"
        )


def check_left(before: np.ndarray, after: np.ndarray, what_for: str = "") -> None:
    """That no class has lost its last image; object arrays of names.

    Raises:
        InputError: one has.
    """
    if lost := sorted(set(before) - set(after)):
        raise InputError(
            f"{artifacts.CORRECTIONS}: leaves {counted(len(lost), 'class')} without an image{what_for}: "
            f"{first_few(lost)}"
        )


def summarize(part: np.ndarray, labels: np.ndarray, originals: np.ndarray, removed: int) -> dict[str, Any]:
    """`Dataset.corrections`.

    Args:
        part: (N,), of each image that is left, in the order of the dataset.
        labels, originals: object (N,), its label now and before.
        removed: how many were left out.
    """
    relabeled = {}
    for name in PARTS:
        now, before = labels[part == name], originals[part == name]
        if len(changed := np.flatnonzero(now != before)):
            relabeled[name] = {str(position): before[position] for position in changed}
    return {"relabeled": relabeled, "removed": removed} if relabeled or removed else {}
