"""Pictures for people. Without dates or version numbers, so that the same content gives the same bytes."""

import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from src import artifacts

# A file of settings in the working folder would count, and fonts of the user's for signs that DejaVu lacks.
matplotlib.rcdefaults()
matplotlib.rcParams["font.sans-serif"] = ["DejaVu Sans"]

CELL = 1.5  # inches an enlarged image
LARGEST_CELL = 2.4  # inches an image of a grid
DPI = 100
SMALL = 48  # pixels; smaller images are seen pixel by pixel


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
        titles: N, of one or more lines; what is wider than an image is shortened in the middle.
        columns: images a row.
        heading: over the whole picture.
        cell: least width of an image in inches; larger images get more, up to LARGEST_CELL.
    """
    rows = max(1, -(-len(images) // columns))
    lines = max((title.count("\n") + 1 for title in titles), default=0)
    cell = cell_for(images, cell, LARGEST_CELL)
    figure, axes = canvas(rows, columns, cell, cell + 0.17 * lines, heading)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        show(axis, image)
        shortened = "\n".join(fit(line, cell, 8) for line in title.split("\n"))
        axis.set_title(shortened, fontsize=8, pad=3, parse_math=False)
    save(figure, path)


def cell_for(images: np.ndarray, least: float, most: float, margin: float = 1.05) -> float:
    """Inches in which images (N, H, W, 3) and a margin are seen pixel for pixel, within limits."""
    return min(max(least, margin * max(images.shape[1:3]) / DPI), most)


def show(axis: Axes, image: np.ndarray) -> None:
    """Draw an image (H, W) or (H, W, 3 or 4): a small one pixel by pixel, others smoothly."""
    small = max(image.shape[:2]) <= SMALL
    axis.imshow(image, interpolation="nearest" if small else "hanning")


def canvas(
    rows: int, columns: int, width: float, height: float, heading: str, extra: float = 0.0
) -> tuple[Figure, np.ndarray]:
    """A figure of rows × columns cells, sized in inches a cell, with a heading that keeps clear of them."""
    lines = heading.count("\n") + 1
    figure = Figure(
        figsize=(width * columns + extra, height * rows + 0.25 * lines + extra), layout="constrained"
    )
    # Names of classes and files may hold a dollar, which would begin a formula.
    heading = "\n".join(fit(line, width * columns + extra - 0.2, 10) for line in heading.split("\n"))
    figure.suptitle(heading, fontsize=10, parse_math=False)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure, axes


@cache
def _renderer() -> RendererAgg:
    return RendererAgg(1, 1, DPI)


def fit(text: str, inches: float, points: float) -> str:
    """A line of text that is no wider than that, shortened in the middle if need be.

    Args:
        text: of whatever signs; a line break counts as a space.
        inches: the room there is.
        points: size of the font.
    """
    text, font = " ".join(text.split()), FontProperties(size=points)

    def is_short(line: str) -> bool:
        return _renderer().get_text_width_height_descent(line, font, ismath=False)[0] <= inches * DPI

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of a sign that the font lacks: drawn as a box
        if is_short(text):
            return text
        low, high = 0, len(text) - 1  # signs kept
        while low < high:
            kept = (low + high + 1) // 2
            low, high = (kept, high) if is_short(_shorten(text, kept)) else (low, kept - 1)
    return _shorten(text, low)


def _shorten(text: str, kept: int) -> str:
    """The first and last signs, `kept` in all."""
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def save(figure: Figure, path: Path) -> None:
    """Write a PNG."""
    with artifacts.atomic_file(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # see `fit`
        figure.savefig(temporary, dpi=DPI, format="png", metadata={"Software": None})
