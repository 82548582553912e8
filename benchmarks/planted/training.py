"""Trains the real pipeline on a set, as on anybody's own images, and keeps what the methods need."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.clone import clone
from benchmarks.planted.scenes import ATTRIBUTES, SIZE
from benchmarks.planted.sets import PlantedSet
from src import artifacts

DRAWN = ("train", "test")  # parts that the pipeline is given
PICTURES = "data/pictures"
STAGES = (
    "download",
    "compute_mean_std",
    "find_lr",
    "train",
    "evaluate",
    "find_misclassified",
    "gradcam",
)
# A small network that learns these shapes in seconds on one core. No augmentation that could move a picture
# out of its spot, or into it: neither colors nor positions change.
PARAMS: dict[str, object] = {
    "dataset": "images",
    # Drawn pictures look alike, but none is another one: duplicates don't matter.
    "images": {"path": PICTURES, "table": "data/labels.csv", "size": SIZE, "leaks": "keep"},
    "model": "timm/test_resnet",
    "stem": "original",
    "epochs": 10,
    "batch_size": 128,
    "validation": 0.05,
    "device": "cpu",
    "precision": "auto",
    "workers": 0,
    "threads": 1,
    "label_smoothing": 0,
    "optimizer": {"name": "adamw", "lr": 0.004, "weight_decay": 0.05},
    "augment": {"pad": 0, "scale": 0, "flip": False, "color": 0},
    "evaluate": {"batch_size": 500, "tta": "none"},
    "gradcam": {"layers": ["backbone.layer3"]},
}
KEPT = ("data", "metrics", "plots")  # folders


def train(planted: PlantedSet, folder: Path) -> Path:
    """Draw a set, run the stages, and keep what they write in a folder that appears when all is done.

    Args:
        planted: the set.
        folder: of all sets.

    Returns:
        Where that is, by the paths it has in the project. What is there already is not made again.
    """
    kept = folder / planted.name
    if kept.exists():
        return kept
    with clone() as project, half_made(kept) as temporary:
        started = before = cpu_seconds()
        write_pictures(planted, project.folder)
        project.change(seed=planted.seed, **PARAMS)
        lines = [f"drawn in {cpu_seconds() - before:.1f} CPU-seconds"]
        for stage in STAGES:
            before = cpu_seconds()
            printed = project.run("python", "-m", f"stages.{stage}").strip()
            lines += [printed, f"{stage}: {cpu_seconds() - before:.1f} CPU-seconds"]
        shutil.copyfile(project.folder / artifacts.PARAMS, temporary / artifacts.PARAMS)
        for name in KEPT:
            shutil.copytree(project.folder / name, temporary / name, ignore=lambda *_: ("pictures", "sample"))
        total = f"{cpu_seconds() - started:.0f} CPU-seconds"
        (temporary / "log.txt").write_text("\n".join([*lines, total, ""]))
    return kept


@contextmanager
def half_made(folder: Path) -> Iterator[Path]:
    """A temporary folder beside, renamed to it when the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=artifacts.TEMPORARY_PREFIX) as temporary:
        content = Path(temporary, folder.name)
        content.mkdir()
        yield content
        content.replace(folder)


def cpu_seconds() -> float:
    """Of this process and of those that have ended."""
    return sum(os.times()[:4])


def write_pictures(planted: PlantedSet, project: Path) -> None:
    """The training and test parts as PNG files, and the table about them."""
    for part in DRAWN:
        folder = project / PICTURES / part
        folder.mkdir(parents=True)
        for index, picture in enumerate(planted.pictures(part)):
            file = folder / f"{index:05}.png"
            cv2.imwrite(str(file), picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    write_labels(planted, project)


def write_labels(planted: PlantedSet, project: Path) -> None:
    """Labels, parts, and the attributes as anybody would give them: in columns of their own."""
    tables = []
    for part in DRAWN:
        table = planted.table(part)
        files = [f"{part}/{index:05}.png" for index in range(len(table))]
        tables.append(table[["label", *ATTRIBUTES]].assign(file=files, split=part))
    columns = ["file", "label", "split", *ATTRIBUTES]
    pd.concat(tables)[columns].to_csv(project / "data/labels.csv", index=False, lineterminator="\n")


def test_order(kept: Path) -> np.ndarray:
    """For each image of the test split, as stored, its row in the set's table: int64 (N,)."""
    files = pd.read_csv(kept / artifacts.DATASET / "files.csv", dtype=str, keep_default_na=False)
    names = files.loc[files["part"] == "test", "file"]
    return names.str.extract(r"(\d+)\.png$")[0].astype(np.int64).to_numpy()
