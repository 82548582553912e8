"""The user's own images: from a folder of files to data/dataset, each file accounted for."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from src import artifacts, schema
from src.cpus import usable_cpus
from src.data.dataset import METADATA, PARTS, DatasetWriter, dataset_writer
from src.download import splits
from src.download.corrections import correct_files, summarize
from src.download.duplicates import Duplicates, find_duplicates
from src.download.headers import auto_size, scan
from src.download.layout import Listing, list_images
from src.download.names import counted, first_few
from src.download.store import ImageStore
from src.errors import InputError
from src.params import ImagesConfig
from src.preprocessing import Preprocessing
from src.progress import Progress

MAX_UNUSABLE = 0.05  # of all images; more stops, unless images.on_error says otherwise
MAX_RAW_BYTES = 4_000_000_000  # of pixels; above, `store: auto` keeps JPEGs


def import_images(
    config: ImagesConfig,
    model_size: int | None = None,
    processes: int | None = None,
    interpolation: str = "bicubic",
) -> Preprocessing:
    """Read the user's images and write data/dataset, data/skipped.csv and data/duplicates.csv.

    Args:
        config: images of params.yaml.
        model_size: pixels that the model is made for, where `size: auto` should mean that.
        processes: that decode; None: one for each core. The result is the same for any number.
        interpolation: `bilinear` or `bicubic`, as the model's weights were trained with.

    Returns:
        How the pictures became squares.

    Raises:
        InputError: there are no images to train and test with, or too many that cannot be used, or
            data/corrections.csv is wrong; a line.
    """
    processes = processes or usable_cpus()
    listing = list_images(config)
    for note in listing.notes:
        print(note)
    paths = [Path(path) for path in listing.files["path"]]
    sides, white = scan(paths, config.max_pixels, processes)
    size = (model_size or auto_size(sides)) if config.size == "auto" else config.size
    encoding = _encoding(config.store, len(paths), size)
    how = Preprocessing(size, config.fit, interpolation, white, config.max_pixels, encoding == "jpeg")
    if white:
        print(f"images of more than 8 bits: {white:g} counts as white in all of them")
    print(f"stored at {size}×{size} pixels ({config.fit}), {encoding}", flush=True)
    with ImageStore(how, encoding) as store:
        facts = store.add(paths, processes)
        images = pd.concat([listing.files, facts], axis=1)
        skipped = _skip(images, listing, config)
        usable = images[images["problem"] == ""].reset_index(drop=True)
        images = correct_files(usable, listing.classes, listing.other_classes)
        removed = len(usable) - len(images)
        blank = images["remark"].str.contains("blank").to_numpy(bool)
        contents = images["content"].to_numpy(object)
        duplicates = find_duplicates(
            images["pixels"],
            images["phash"].to_numpy(np.uint64),
            blank,
            lambda positions: store.thumbnails(list(contents[positions])),
        )
        parts = splits.assign_parts(images, duplicates.cluster, blank, listing.classes, config.test)
        for note in parts.notes:
            print(note)
        images = images.assign(part=parts.part, unit=parts.unit)
        dropped = _leaks(images, duplicates, config.leaks)
        used = images[~dropped].reset_index(drop=True)
        splits.check_left(used["part"].to_numpy(object), used["label"], listing.classes)
        with dataset_writer(artifacts.DATASET, how, encoding) as writer:
            _write(used, listing.classes, writer, store)
            part, labels, originals = (used[name].to_numpy(object) for name in ("part", "label", "original"))
            corrections = summarize(part, labels, originals, removed)
            writer.finish("images", config.path, listing.classes, corrections)
        store.forget_others(facts["content"])
    _print_account(used, len(skipped), int(dropped.sum()), removed, listing)
    return how


def _skip(images: pd.DataFrame, listing: Listing, config: ImagesConfig) -> pd.DataFrame:
    """Write down what cannot be used; it may be too much."""
    unusable = images.loc[images["problem"] != "", ["file", "problem"]].rename(columns={"problem": "reason"})
    skipped = pd.concat([listing.skipped, unusable], ignore_index=True)
    schema.write_table(schema.SKIPPED, skipped)
    total = len(skipped) + int((images["problem"] == "").sum())
    if len(skipped):
        reasons = skipped["reason"].value_counts(sort=True)
        summary = first_few([f"{reason}: {n:,}" for reason, n in reasons.items()])
        said = f"{len(skipped):,} of {counted(total, 'image')} cannot be used ({summary})"
        listed = f"see {artifacts.SKIPPED}"
        if config.on_error == "stop":
            raise InputError(f"images.on_error: {said}; {listed}, or set it to skip")
        if config.on_error == "skip" and len(skipped) > MAX_UNUSABLE * total:
            raise InputError(
                f"images.path: {said}, more than {MAX_UNUSABLE:.0%}; {listed}, or set images.on_error to "
                "skip_all if that is right"
            )
        print(f"skipped: {said}; {listed}")
    left = set(images.loc[images["problem"] == "", "label"])
    if empty := [name for name in listing.classes if name not in left]:
        raise InputError(
            f"images: {counted(len(empty), 'class')} without a usable image: {first_few(empty)}; see "
            f"{artifacts.SKIPPED}"
        )
    return skipped


def _leaks(images: pd.DataFrame, duplicates: Duplicates, leaks: str) -> np.ndarray:
    """Write down which pictures are there more than once; which are left out of training: bool (N,)."""
    part = images["part"].to_numpy(object)
    leaking = splits.leaks(part, duplicates.cluster)
    dropped = leaking & (leaks == "drop")
    exact, cluster = pd.Series(duplicates.exact), pd.Series(duplicates.cluster)
    copies = exact.groupby(exact).transform("size") > 1
    conflict = images["label"].groupby(exact).transform("nunique") > 1
    table = pd.DataFrame(
        {
            "cluster": cluster,
            "kind": np.where(copies, "exact", "near"),
            "file": images["file"],
            "class": images["label"],
            "part": part,
            "dropped": dropped,
            "label_conflict": conflict,
        }
    )
    table = table[(cluster.groupby(cluster).transform("size") > 1).to_numpy()]
    table = table.sort_values("cluster", kind="stable")
    table["cluster"] = pd.factorize(table["cluster"])[0] + 1
    schema.write_table(schema.DUPLICATES, table)
    if len(table):
        clusters = counted(int(table["cluster"].max()), "picture")
        print(f"duplicates: {clusters} in {counted(len(table), 'file')}; see {artifacts.DUPLICATES}")
    if conflict.any():
        conflicting = counted(int(conflict.sum()), "file")
        print(f"label issues: {conflicting} with the same pixels as a file of another class")
    if leaking.any():
        number = counted(int(leaking.sum()), "image")
        said = f"{number} for training or validation with a duplicate in another part"
        if leaks == "stop":
            raise InputError(f"images.leaks: {said}; see {artifacts.DUPLICATES}, or set it to drop or keep")
        print(f"{'left out' if leaks == 'drop' else 'kept'}: {said}")
    return dropped


def _write(used: pd.DataFrame, classes: tuple[str, ...], writer: DatasetWriter, store: ImageStore) -> None:
    labels = pd.Categorical(used["label"], categories=list(classes)).codes.astype(np.int64)
    together = used["unit"].duplicated(keep=False).any()
    rows = []
    with Progress("writing", len(used)) as progress:

        def payload(content: str) -> bytes:
            progress.advance(1)
            return store.payload(content)

        for part in PARTS:
            members = np.flatnonzero(used["part"] == part)
            if not len(members):
                continue
            units = pd.factorize(used["unit"].iloc[members])[0].astype(np.int64) if together else None
            writer.write_part(part, map(payload, used["content"].iloc[members]), labels[members], units)
            rows.append(used.iloc[members].assign(index=np.arange(len(members))))
    files = pd.concat(rows).rename(columns={"label": "class"})
    columns = ["part", "index", "file", "class", "width", "height", "format", "content", "group", "remark"]
    columns += [name for name in files.columns if name.startswith(METADATA)]
    # Quoted, so that a line break in the user's table does no harm.
    files[columns].to_csv(
        writer.folder / "files.csv", index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
    )


def _print_account(used: pd.DataFrame, skipped: int, dropped: int, removed: int, listing: Listing) -> None:
    """Every file that was found."""
    counts = used["part"].value_counts()
    by_part = ", ".join(f"{counts[p]:,} for {splits.SIDES[p]}" for p in PARTS if p in counts)
    found = len(used) + skipped + dropped + removed + listing.passed_over
    left_out = f"{dropped:,} left out as duplicates, " if dropped else ""
    left_out += f"{removed:,} left out by corrections, " if removed else ""
    print(
        f"{counted(found, 'file')} found: {len(used):,} used ({by_part}), {left_out}{skipped:,} skipped, "
        f"{listing.passed_over:,} passed over; {counted(len(listing.classes), 'class')}"
    )


def _encoding(store: str, images: int, size: int) -> str:
    if store != "auto":
        return store
    return "jpeg" if images * size * size * 3 > MAX_RAW_BYTES else "raw"
