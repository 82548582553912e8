"""Labels worth checking, and what a page has to know of an image so that a person can say what it shows."""

import base64
import hashlib
import json
from typing import Any

import numpy as np
import pandas as pd

from src.data.corrections import pixel_sha256
from src.data.images import Images, Selection
from src.report import pictures
from src.report.links import Originals
from src.report.run import Run

ROW = 200  # bytes of the page about what an image on a list takes beside its picture and its name


def marks_key(run: Run) -> str:
    """A name for what a person says about this run's dataset: another one's would not fit it."""
    content = json.dumps([run.sums, run.predictions.classes], sort_keys=True)
    return f"blindspot-{hashlib.sha256(content.encode()).hexdigest()}"


def image_sums(run: Run, split: str, images: Images, positions: np.ndarray) -> list[str] | None:
    """The SHA-256 of images by which `src.corrections` knows them again: of their file, or of their pixels.

    Args:
        run: whose images they are.
        split: `train` or `test`.
        images: uint8 (N, H, W, 3), those in question first.
        positions: int64, of those in the split.

    Returns:
        One for each, or None where the run kept no account of its files.
    """
    if split in run.contents:
        return run.contents[split][positions].tolist()
    if any(run.predictions.files):
        return None
    one_by_one = (images[row : row + 1] for row in range(len(positions)))  # memory stays flat
    return [name for image in one_by_one for name in pixel_sha256(image)]


def lists(run: Run, originals: Originals, budget: int) -> list[dict[str, Any]]:
    """The test images whose labels are worth checking, and the training images where those were checked.

    Args:
        run: whose.
        originals: the user's files.
        budget: bytes of the page for both; the first list takes half of it at most, the second what is left.
    """
    tested = run.label_issues.assign(file=run.predictions.files[run.label_issues["index"]])
    images = Selection(run.images, tested["index"].to_numpy())
    checked = len(run.train_label_issues) > 0
    results = [_list(run, "test", tested, images, originals, budget // 2 if checked else budget)]
    if checked:
        left = budget - size(results)
        issues = run.train_label_issues
        results.append(_list(run, "train", issues, run.train_issue_images, originals, left))
    return results


def size(entries: list[dict[str, Any]]) -> int:
    """Bytes of the page that lists take."""
    return len(json.dumps(entries, ensure_ascii=False).encode())


def _list(
    run: Run, split: str, table: pd.DataFrame, images: Images, originals: Originals, budget: int
) -> dict[str, Any]:
    """As many images as there is room for, the most doubtful first."""
    names = [len(file.encode()) for file in table["file"]]
    shown, thumbnails = pictures.fill(range(len(table)), images, lambda row: ROW + names[row], budget)
    rows = table.iloc[shown]
    files, conflicts = rows["file"].tolist(), _conflicts(run.duplicates, split)
    return {
        "split": split,
        "more": len(table) - len(rows),
        "index": rows["index"].tolist(),
        "files": files,
        "linked": [int(exists) for exists in originals.exist(files)],
        "label": rows["label"].cat.codes.tolist(),
        "suggested": rows["suggested"].cat.codes.tolist(),
        "conflict": [int(file in conflicts) for file in files],
        "score": [round(score, 4) for score in rows["score"]],
        "sha256": image_sums(run, split, images, rows["index"].to_numpy()),
        "pictures": [base64.b64encode(picture).decode() for picture in thumbnails],
    }


def _conflicts(duplicates: pd.DataFrame, split: str) -> set[str]:
    """Files of a split whose picture has another label elsewhere."""
    if duplicates.empty:
        return set()
    chosen = (duplicates["part"] == split) & (duplicates["label_conflict"] == "true")
    return set(duplicates.loc[chosen, "file"])
