"""Tables of corrections, as a report gives them."""

from pathlib import Path

import pandas as pd

from src import artifacts
from src.data.corrections import COLUMNS, image_sha256
from src.data.dataset import load_dataset

HEADER = ",".join(COLUMNS) + "\n"


def row(
    split: str, index: int, verdict: str = "wrong", name: str = "", folder: Path = Path()
) -> dict[str, str]:
    """What a report says about an image of the dataset in a project's folder, as it is now."""
    dataset = load_dataset(folder / artifacts.DATASET)
    [content] = image_sha256(folder / artifacts.DATASET, split, [index])
    label = dataset.classes[dataset.splits[split].labels[index]]
    return dict(zip(COLUMNS, (split, str(index), "", content, label, verdict, name), strict=True))


def write(*rows: dict[str, str], path: Path = Path("corrections.csv")) -> Path:
    """As a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, index=False)
    return path
