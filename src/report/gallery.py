"""The images of a page, with what one model or two say of each."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from src.report import pictures, summary
from src.report.links import Originals
from src.report.run import Run

IMAGES = 3_500_000  # bytes of the page that images may take; with all else it stays below 5 MB
ROW = 200  # about what an image and an answer to it take beside picture, heatmap and name
SUM = 67  # what the SHA-256 of an image takes


def gallery(
    runs: Sequence[Run],
    kinds: np.ndarray,
    candidates: Sequence[int],
    originals: Originals,
    budget: int = IMAGES,
) -> tuple[dict[str, Any], np.ndarray]:
    """As many images as a page has room for.

    Args:
        runs: one or two, on the same images.
        kinds: str (N,), what became of each image.
        candidates: positions of the images worth showing, the most important first.
        originals: the user's files.
        budget: bytes of the page.

    Returns:
        What the page has to know about them, a list each, and their positions: int64, ascending.
    """
    maps = [pictures.shrink_maps(run.heatmaps[:1]) for run in runs if run.heatmaps is not None]
    fixed = SUM + len(runs) * ROW + sum(4 * example.size // 3 for example in maps)
    files = runs[0].predictions.files
    shown, thumbnails = pictures.fill(
        candidates, runs[0].images, lambda index: fixed + len(files[index].encode()), budget
    )
    return _answers(runs, kinds, shown, originals) | {
        "pictures": [_base64(picture) for picture in thumbnails]
    }, shown


def _answers(
    runs: Sequence[Run], kinds: np.ndarray, shown: np.ndarray, originals: Originals
) -> dict[str, Any]:
    """All about the images at `shown` but their pictures."""
    listed = summary.listed_classes(runs, shown)
    files = runs[0].predictions.files[shown].tolist()
    models = []
    for run, of_run in zip(runs, summary.label_issues(runs), strict=True):
        maps = None if run.heatmaps is None else pictures.shrink_maps(run.heatmaps[shown])
        models.append(
            summary.gallery(run, of_run, shown, listed)
            | {"maps": None if maps is None else _base64(maps.tobytes())}
            | {"mapSize": None if maps is None else maps.shape[1:]}
        )
    return {
        "pixelated": max(runs[0].images.shape[1:3]) <= pictures.SMALL,
        "scale": summary.PROBABILITY_SCALE,
        "index": shown.tolist(),
        "kind": kinds[shown].tolist(),
        "actual": runs[0].predictions.actual[shown].tolist(),
        "files": files if any(files) else None,
        "linked": [int(exists) for exists in originals.exist(files)],
        "base": originals.base,
        "listed": listed,
        "models": models,
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
