"""Takes over what people said about labels: `python -m src.corrections apply FILE`."""

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from src import artifacts
from src.command import run_main
from src.data.corrections import (
    COLUMNS,
    VERDICTS,
    find_problems,
    image_sha256,
    read_corrections,
    read_rows,
    refuse,
    write_corrections,
)
from src.data.dataset import Dataset, load_dataset
from src.download.names import counted
from src.errors import InputError, suggest


def main(arguments: list[str] | None = None) -> None:
    apply(_parser().parse_args(arguments).file)


def apply(path: Path) -> None:
    """Check a file of corrections against data/dataset and add it to data/corrections.csv.

    Raises:
        InputError: the file is missing or no table, or some rows are wrong or about other data: a line
            for each; nothing is written.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; you get one by marking images in a report")
    new = read_rows(path)
    if new.empty:
        raise InputError(f"{path}: has no rows")
    problems = find_problems(new)
    sound = new.drop(index=list(problems))
    dataset = load_dataset()
    problems |= find_stale(sound, dataset)
    try:
        refuse(path, problems)
    except InputError as error:
        said = f"nothing was applied: {len(problems):,} of {counted(len(new), 'row')} wrong or out of date"
        raise InputError(f"{error}\n{said}") from None
    old = read_corrections()
    merged = merge(old, new, dataset.corrections.get("relabeled", {}))
    if merged.to_dict("records") == old.to_dict("records"):
        print(f"{path}: nothing new; {artifacts.CORRECTIONS} has {counted(len(old), 'row')} as before")
        return
    write_corrections(merged)
    counts = Counter(new["verdict"])
    verdicts = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in VERDICTS if verdict in counts)
    print(
        f"{path}: {counted(len(new), 'correction')} applied ({verdicts}); {artifacts.CORRECTIONS} has "
        f"{counted(len(merged), 'row')} now"
    )
    print("run `dvc repro` to train and test with it, and commit it with the results")


def find_stale(rows: pd.DataFrame, dataset: Dataset) -> dict[int, str]:
    """What keeps sound rows from being about images of the dataset in data/dataset: by their number."""
    again = "make the report again"
    problems: dict[int, str] = {}
    for split, of_split in rows.groupby("split"):
        part = dataset.splits.get(str(split))
        if part is None:
            problems |= dict.fromkeys(of_split.index, f"split is {split!r}, which this dataset does not have")
            continue
        indices = of_split["index"].astype(np.int64)
        inside = of_split[indices < len(part)]
        problems |= {
            int(number): f"index is {index}, but {split} has {counted(len(part), 'image')}; {again}"
            for number, index in indices[indices >= len(part)].items()
        }
        positions = inside["index"].to_numpy(np.int64)
        contents = image_sha256(artifacts.DATASET, str(split), positions)
        labels = [dataset.classes[label] for label in part.labels[positions]]
        for (number, row), content, label in zip(inside.iterrows(), contents, labels, strict=True):
            where = f"{split} image {row['index']}"
            if row["sha256"] != content:
                problems[number] = f"sha256 is not that of {where} in {artifacts.DATASET}; {again}"
            elif row["label"] != label:
                problems[number] = f"label is {row['label']!r}, but {where} is labeled {label!r} now; {again}"
            elif row["class"] and row["class"] not in dataset.classes:
                problems[number] = f"class is {row['class']!r}; {suggest(row['class'], dataset.classes)}"
    return problems


def merge(old: pd.DataFrame, new: pd.DataFrame, relabeled: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """All corrections, each about the label that the image had before any of them.

    Args:
        old: what was known.
        new: about images as they are now; where the two differ, it holds.
        relabeled: as in `Dataset.corrections`.

    Returns:
        Without rows for images that are to have their first label again.
    """
    rows = {(row["sha256"], row["label"]): row for row in old.to_dict("records")}
    for row in new.to_dict("records"):
        original = relabeled.get(row["split"], {}).get(str(int(row["index"])), row["label"])
        key = (row["sha256"], original)
        if row["class"] == original:
            rows.pop(key, None)
        elif row["verdict"] != "fine" or row["label"] == original:
            rows[key] = row | {"label": original}
        else:  # it is fine since it was put right
            rows[key] = row | {"label": original, "verdict": "wrong", "class": row["label"]}
    return pd.DataFrame(list(rows.values()), columns=list(COLUMNS), dtype=object)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m src.corrections",
        description="Corrects labels by what was marked on a report.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "apply",
        help=f"check a file of corrections and add it to {artifacts.CORRECTIONS}",
        description=f"Checks a file of corrections against {artifacts.DATASET} and adds it to "
        f"{artifacts.CORRECTIONS}, by which `dvc repro` then trains and tests. If a row is wrong, nothing is "
        "written.",
    )
    command.add_argument("file", type=Path, metavar="FILE", help="corrections.csv, as a report gives it")
    return parser


if __name__ == "__main__":
    run_main("corrections", main)
