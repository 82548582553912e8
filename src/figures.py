"""Pictures for people. Without dates or version numbers, so that the same content gives the same bytes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from src import artifacts

CELL = 1.5  # inches an enlarged image
DPI = 100


def save_grid(
    path: Path,
    images: np.ndarray,
    titles: Sequence[str],
    columns: int,
    heading: str,
    cell: float = CELL,
) -> None:
    """Write enlarged images with a title each, row by row.

    Args:
        path: a PNG.
        images: uint8 (N, H, W, 3); with N = 0 only the heading is drawn.
        titles: N, of one or more lines.
        columns: images a row.
        heading: over the whole picture.
        cell: width of an image in inches.
    """
    rows = max(1, -(-len(images) // columns))
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    figure, axes = canvas(rows, columns, cell, cell + 0.17 * lines, heading)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image, interpolation="nearest")
        axis.set_title(title, fontsize=8, pad=3)
    save(figure, path)


def canvas(
    rows: int, columns: int, width: float, height: float, heading: str, extra: float = 0.0
) -> tuple[Figure, np.ndarray]:
    """A figure of rows × columns cells, sized in inches a cell, with a heading that keeps clear of them."""
    lines = heading.count("\n") + 1
    figure = Figure(
        figsize=(width * columns + extra, height * rows + 0.25 * lines + extra), layout="constrained"
    )
    figure.suptitle(heading, fontsize=10)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Write a PNG."""
    with artifacts.atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png", metadata={"Software": None})
