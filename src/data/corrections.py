"""What people have said about labels: the table of it, and which pictures it is about.

A correction is about a picture and the label that it had, wherever in a dataset they are: it survives another
split and a moved file, and holds for the sample as for all of CIFAR-10.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from src import artifacts, schema
from src.data.dataset import PARTS, read_files
from src.data.images import Images, chunks, open_images
from src.errors import InputError
from src.outputs import output_file

# Where the image was when somebody looked at it, its file if it has one, which picture it is, the label that
# it had, and what was said: `class` is the right one, only with `wrong`.
COLUMNS = ("split", "index", "file", "sha256", "label", "verdict", "class")
VERDICTS = ("wrong", "unusable", "fine")


def read_corrections(path: Path = artifacts.CORRECTIONS) -> pd.DataFrame:
    """Read a table of corrections and check it.

    Returns:
        `COLUMNS`, all of them text; each picture and label is there once. The index is the row's, from 0.

    Raises:
        InputError: the file is missing or no table, lacks a column, or has wrong rows; a line for each.
    """
    table = read_rows(path)
    refuse(path, find_problems(table))
    return table.drop_duplicates(["sha256", "label"])


def read_rows(path: Path) -> pd.DataFrame:
    """Read a table of corrections whose rows may be wrong.

    Raises:
        InputError: the file is missing or no table, or lacks a column.
    """
    table = schema.read_texts(path, f"its first line should be {','.join(COLUMNS)}")
    if missing := [name for name in COLUMNS if name not in table]:
        raise InputError(f"{path}: has no column {missing[0]!r}; the columns should be {', '.join(COLUMNS)}")
    return table[list(COLUMNS)]


def find_problems(table: pd.DataFrame) -> dict[int, str]:
    """What is wrong with a row, whatever the dataset: by its number, from 0."""
    problems = {}
    first: dict[tuple[str, str], tuple[int, tuple[str, str]]] = {}
    for number, row in enumerate(table.to_dict("records")):
        verdict = (row["verdict"], row["class"])
        if problem := _problem(row):
            problems[number] = problem
            continue
        before, said = first.setdefault((row["sha256"], row["label"]), (number, verdict))
        if said != verdict:
            problems[number] = f"contradicts row {before + 1}, which is about the same image"
    return problems


def _problem(row: Mapping[str, str]) -> str:
    """Of a row by itself; empty if there is none."""
    split, verdict, name = row["split"], row["verdict"], row["class"]
    if split not in PARTS:
        return f"split is {split!r}, should be {_either(PARTS)}"
    if not re.fullmatch("[0-9]{1,18}", row["index"]):
        return f"index is {row['index']!r}, should be a number from 0"
    if not re.fullmatch("[0-9a-f]{64}", row["sha256"]):
        return f"sha256 is {row['sha256']!r}, should be 64 digits from 0 to f"
    if verdict not in VERDICTS:
        return f"verdict is {verdict!r}, should be {_either(VERDICTS)}"
    if verdict != "wrong" and name:
        return f"class is {name!r}, should be empty where the verdict is {verdict}"
    if verdict == "wrong" and not name:
        return "class is empty, should be the right one where the verdict is wrong"
    if name == row["label"] and name:
        return f"class is {name!r}, which is the label already"
    return ""


def refuse(path: Path, problems: Mapping[int, str]) -> None:
    """Say what is wrong with rows, by their number from 0, if anything is.

    Raises:
        InputError: a line for each row, the first below the header being 1.
    """
    if problems:
        raise InputError("\n".join(f"{path}: row {row + 1}: {problems[row]}" for row in sorted(problems)))


def write_corrections(table: pd.DataFrame, path: Path = artifacts.CORRECTIONS) -> None:
    """Write what `read_corrections` reads, sorted: the same rows give the same bytes."""
    rows = sorted(table.to_dict("records"), key=_order)
    with output_file(path) as temporary:
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        frame.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def _order(row: Mapping[str, str]) -> tuple[int, int, str, str]:
    return PARTS.index(row["split"]), int(row["index"]), row["sha256"], row["label"]


def image_sha256(folder: Path, part: str, positions: np.ndarray | None = None) -> list[str]:
    """By which corrections know images: SHA-256 of the file, or of the pixels where there are no files.

    Args:
        folder: the dataset's.
        part: one of its parts.
        positions: of the images in question; None: all of the part.
    """
    files = read_files(part, folder)
    if files is not None:
        return files["content"].iloc[slice(None) if positions is None else positions].tolist()
    images = open_images(folder, part, "raw", 0)
    return pixel_sha256(images if positions is None else images[positions])


def pixel_sha256(images: Images) -> list[str]:
    """SHA-256 of each image's pixels, uint8 H×W×3, row by row. CIFAR-10's 60,000 take half a second."""
    return [hashlib.sha256(image.tobytes()).hexdigest() for chunk in chunks(images) for image in chunk]


def without_confirmed(issues: pd.DataFrame, part: str) -> pd.DataFrame:
    """Label issues but for those whose label somebody has looked at and found right, or has put right.

    Args:
        issues: columns `index`, positions in the part of data/dataset, and `label`.
        part: which one.

    Raises:
        InputError: data/corrections.csv is missing or damaged.
    """
    said = read_corrections()
    said = said[said["verdict"] != "unusable"]
    if said.empty or issues.empty:
        return issues
    right = np.where(said["verdict"] == "wrong", said["class"], said["label"])
    confirmed = set(zip(said["sha256"], right, strict=True))
    contents = image_sha256(artifacts.DATASET, part, issues["index"].to_numpy())
    return issues[[pair not in confirmed for pair in zip(contents, issues["label"], strict=True)]]


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
