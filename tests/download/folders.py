"""Folders of images made by code, and what `import_images` makes of them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from src import artifacts
from src.data.dataset import Dataset, load_dataset
from src.download.images import import_images
from src.params import ImagesConfig
from src.schema import read_texts
from tests import corrections
from tests.conftest import shipped_params
from tests.download.pictures import encode, jpeg, photograph

Files = Mapping[str, bytes]


def picture(seed: int, width: int = 40, height: int = 30) -> bytes:
    """A JPEG that resembles no other."""
    return jpeg(photograph(width, height, seed))


def pictures(*labels: str, count: int = 12, start: int = 0) -> dict[str, bytes]:
    """So many of each class, in a folder each."""
    return {
        f"{label}/{n}.png": encode(photograph(24, 18, start + 1_000 * position + n))
        for position, label in enumerate(labels)
        for n in range(count)
    }


def write(root: Path, files: Files) -> Path:
    """Write files by name; a name that ends in `/` is an empty folder."""
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def config(path: Path | str, **changes: Any) -> ImagesConfig:
    """The shipped one for this folder, with changes."""
    return ImagesConfig(**{**shipped_params()["images"], "path": os.fspath(path), "size": 32, **changes})


def write_table(text: str = "file,label\n", path: Path = Path("data/labels.csv")) -> None:
    """The table of the project in the current folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


@dataclass
class Imported:
    """What lies on disk afterwards."""

    dataset: Dataset
    files: pd.DataFrame
    skipped: dict[str, str]
    duplicates: pd.DataFrame


def imported(path: Path | str, processes: int = 1, **changes: Any) -> Imported:
    """Import into the project in the current folder."""
    if not Path("data/labels.csv").exists():
        write_table()
    if not artifacts.CORRECTIONS.exists():
        corrections.write(path=artifacts.CORRECTIONS)
    import_images(config(path, **changes), processes=processes)
    skipped = read_texts(artifacts.SKIPPED)
    return Imported(
        load_dataset(),
        read_texts(artifacts.DATASET / "files.csv"),
        dict(zip(skipped["file"], skipped["reason"], strict=True)),
        read_texts(artifacts.DUPLICATES),
    )
