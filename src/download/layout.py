"""Which of the user's files are images of what: by a folder a class, train and test folders, or a table."""

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

import pandas as pd

from src import places
from src.data.dataset import METADATA
from src.download.grouping import set_groups
from src.download.names import counted, first_few, has_control_character, natural_key, shown
from src.download.table import PARTS, check_repeated, look_up, read_labels
from src.download.walk import Found, walk
from src.errors import InputError
from src.params import ImagesConfig

COLUMNS = ["path", "file", "label", "split", "group"]


@dataclass(frozen=True)
class Listing:
    """Every file of the user's folder: one that may be used, one that is skipped, or one passed over.

    Attributes:
        files: a row a file that may be used, sorted as people count, all text: `path`; `file`, the same
            relative to the folder, with `/`; `label`; `split`, which is train, val, test or empty where it is
            to be decided; `group`, empty where the image stands for itself; `metadata.NAME` as in the table.
        skipped: `file` and `reason` of those that would be wanted but cannot be used.
        passed_over: how many files are none of the user's images.
        classes: names, in the order of the labels.
        notes: lines to print.
        other_classes: those that there are, too, but that images.classes leaves out.
    """

    files: pd.DataFrame
    skipped: pd.DataFrame
    passed_over: int
    classes: tuple[str, ...]
    notes: list[str] = field(default_factory=list)
    other_classes: tuple[str, ...] = ()


def list_images(config: ImagesConfig) -> Listing:
    """Find the images, by their names alone: none is opened that is named like one.

    A table with rows outranks folders.

    Raises:
        InputError: the folder is missing, empty, or follows no layout; the table is damaged or contradicts
            itself; a class has an impossible name or is unknown.
    """
    root = Path(config.path)
    if not root.is_dir():
        if problem := places.why_missing(root):
            raise InputError(f"images.path: {config.path} {problem}")
        problem = "is not a folder" if root.exists() else "does not exist"
        raise InputError(f"images.path: {config.path} {problem}; it should contain a folder for each class")
    labels, notes = read_labels(Path(config.table))
    found = walk(root)
    listing = _by_table(config, found, labels) if len(labels) else _by_folders(config, found)
    files = listing.files
    if files.empty:
        reason = f", e.g. {listing.skipped['reason'].iloc[0]}" if len(listing.skipped) else ""
        raise InputError(
            f"images.path: none of the files in {config.path} can be used "
            f"({len(listing.skipped):,} skipped{reason})"
        )
    files = files.iloc[sorted(range(len(files)), key=[natural_key(f) for f in files["file"]].__getitem__)]
    listing = replace(listing, files=files.reset_index(drop=True), notes=[*notes, *listing.notes])
    listing = _choose_classes(listing, config)
    files, grouped = set_groups(listing.files, config.group)
    return replace(listing, files=files, notes=listing.notes + grouped + found.notes())


def _by_folders(config: ImagesConfig, found: Found) -> Listing:
    tops: dict[str, list[str]] = {name: [] for name in found.folders if "/" not in name}
    loose: list[str] = []
    for name in found.images:
        top, _, below = name.partition("/")
        (tops[top] if below else loose).append(name)
    if not found.images:
        _no_images(config, found)
    nested = {name.partition("/")[0] for name in found.folders if "/" in name}
    split_folders = {top: PARTS[top.lower()] for top in tops if top.lower() in PARTS and top in nested}
    if "train" in split_folders.values():
        return _by_split_folders(config, found, tops, loose, split_folders)

    full = [top for top, names in tops.items() if names]
    if not full:
        raise InputError(
            f"images.path: {config.path} holds {counted(len(loose), 'image')}, but no folder for each class; "
            "move the images of each class into a folder of its own, or name their classes in images.table"
        )
    if len(full) == 1 and full[0] in nested and not loose:
        deeper = _first_with_several(found, full[0])
        raise InputError(
            f"images.path: {config.path} holds only the folder {shown(full[0])}; did you mean "
            f"{shown(str(PurePosixPath(Path(config.path).as_posix()) / deeper))}?"
        )
    rows = [(name, top, "") for top in full for name in tops[top]]
    notes = [f"layout: a folder for each class, {counted(len(full), 'class')} in {config.path}"]
    empty = [top for top in tops if top not in full]
    return _listing(config, found, rows, loose, empty, notes)


def _by_split_folders(
    config: ImagesConfig, found: Found, tops: dict[str, list[str]], loose: list[str], parts: dict[str, str]
) -> Listing:
    """`parts`: the split folders, and what each of them is."""
    rest = [top for top, names in tops.items() if top not in parts and names]
    if rest and set(parts.values()) == {"train"}:
        folder = next(iter(parts))
        raise InputError(
            f"images.path: {config.path}/{folder} holds folders, as a training part does, but "
            f"{first_few([shown(name) for name in rest])} beside it "
            f"{'are' if len(rest) > 1 else 'is'} neither a test nor a validation part; set images.path to "
            f"{config.path}/{folder}, or name the classes in images.table"
        )
    rows, empty, loose = [], set(), list(loose)
    for name in found.folders:
        top, _, label = name.partition("/")
        if top in parts and label and "/" not in label:
            empty.add(label)
    for top, part in parts.items():
        for name in tops[top]:
            label, _, below = name.partition("/")[2].partition("/")
            if below:
                rows.append((name, label, part))
            else:
                loose.append(name)
    empty -= {label for _, label, _ in rows}
    notes = [
        f"layout: {', '.join(map(shown, parts))} with a folder for each class, "
        f"{counted(len({label for _, label, _ in rows}), 'class')} in {config.path}"
    ]
    for top in rest:
        why = "contains no class folders" if top.lower() in PARTS else "is no part of that layout"
        notes.append(f"left out: {shown(top)}, which {why} ({counted(len(tops[top]), 'image')})")
    left_out = sum(len(tops[top]) for top in rest)
    return _listing(config, found, rows, loose, list(empty), notes, left_out)


def _listing(
    config: ImagesConfig,
    found: Found,
    rows: list[tuple[str, str, str]],
    loose: list[str],
    empty: list[str],
    notes: list[str],
    left_out: int = 0,
) -> Listing:
    """Of folders; `rows`: file, label and split of each image."""
    root = os.fspath(Path(config.path))
    if empty:
        empty = [shown(name) for name in sorted(empty, key=natural_key)]
        noun = "class folder without an image" if len(empty) == 1 else "class folders without images"
        notes = [*notes, f"left out: {len(empty):,} {noun}: {first_few(empty)}"]
    files = pd.DataFrame(
        [(os.path.join(root, name), name, label, split, "") for name, label, split in rows],  # noqa: PTH118
        columns=COLUMNS,
        dtype=object,
    )
    skipped = found.skipped + [(name, "is not in a class folder") for name in loose]
    return Listing(files, _skipped(skipped), len(found.passed_over) + left_out, _classes(files), notes)


def _by_table(config: ImagesConfig, found: Found, labels: pd.DataFrame) -> Listing:
    root, beside = Path(config.path), Path(config.table).parent
    known = set(found.images)
    names, reasons = [], []
    for written, label in zip(labels["file"], labels["label"], strict=True):
        name, reason = look_up(written, root, beside, known)
        names.append(name)
        reasons.append(reason or ("" if label.strip() else "no label in the table"))
    labels = labels.assign(file=names, reason=reasons)
    check_repeated(labels, config.table)
    labels = labels.drop_duplicates(["file"])
    usable = labels[labels["reason"] == ""]
    files = usable.drop(columns="reason").assign(
        path=[os.path.join(root, name) for name in usable["file"]],  # noqa: PTH118
        group="",
    )
    metadata = [name for name in files.columns if name.startswith(METADATA)]
    skipped = list(labels.loc[labels["reason"] != "", ["file", "reason"]].itertuples(index=False, name=None))
    named = set(labels["file"])
    unnamed = sum(name not in named for name in found.images)
    others = sum(name not in named for name in found.passed_over)
    skipped += [row for row in found.skipped if row[0] not in named]
    notes = [
        f"layout: the table {config.table}, {counted(len(labels), 'file')}, "
        f"{counted(files['label'].nunique(), 'class')}"
    ]
    if unnamed:
        notes.append(f"passed over: {counted(unnamed, 'image')} that the table does not name")
    return Listing(files[COLUMNS + metadata], _skipped(skipped), unnamed + others, _classes(files), notes)


def _classes(files: pd.DataFrame) -> tuple[str, ...]:
    return tuple(sorted(files["label"].unique(), key=natural_key))


def _skipped(rows: list[tuple[str, str]]) -> pd.DataFrame:
    rows = sorted(rows, key=lambda row: natural_key(row[0]))
    return pd.DataFrame(
        [(shown(name), reason) for name, reason in rows], columns=["file", "reason"], dtype=object
    )


def _choose_classes(listing: Listing, config: ImagesConfig) -> Listing:
    """Those of images.classes, in their order."""
    for name in listing.classes:
        if has_control_character(name):
            raise InputError(
                f"images.path: the class '{shown(name)}' has a line break or its like in its name"
            )
    alike = Counter(_plain(name) for name in listing.classes)
    twins = [name for name in listing.classes if alike[_plain(name)] > 1]
    notes = list(listing.notes)
    if twins:
        notes.append(f"classes that differ only in capitals or spaces: {first_few([repr(n) for n in twins])}")
    if config.classes == "all":
        return replace(listing, notes=notes)
    chosen = tuple(dict.fromkeys(config.classes))
    for name in chosen:
        if name not in listing.classes:
            near = get_close_matches(name, listing.classes, n=3, cutoff=0.5) or list(listing.classes)
            raise InputError(f"images.classes: there is no class {name!r}; did you mean {first_few(near)}?")
    files = listing.files[listing.files["label"].isin(chosen)].reset_index(drop=True)
    left_out = len(listing.files) - len(files)
    others = tuple(name for name in listing.classes if name not in chosen)
    if left_out:
        notes.append(
            f"left out by images.classes: {counted(len(others), 'class')} ({counted(left_out, 'image')})"
        )
    return replace(
        listing,
        files=files,
        classes=chosen,
        passed_over=listing.passed_over + left_out,
        notes=notes,
        other_classes=others,
    )


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _first_with_several(found: Found, top: str) -> str:
    """The first folder below that has not just one folder in it."""
    while True:
        below = [name for name in found.folders if name.rpartition("/")[0] == top]
        beside = any(name.rpartition("/")[0] == top for name in found.images)
        if len(below) != 1 or beside:
            return top
        top = below[0]


def _no_images(config: ImagesConfig, found: Found) -> None:
    """Always raises."""
    there = (
        f"{counted(len(found.passed_over) + len(found.skipped), 'other file')}"
        if (found.passed_over or found.skipped)
        else "nothing"
    )
    raise InputError(
        f"images.path: {config.path} holds no images, but {there}; it should contain a folder for each class"
    )
