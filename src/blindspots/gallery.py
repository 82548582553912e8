"""The picture of blind spots: of each some wrong images, and images like these that are right."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from src.blindspots.files import BlindSpots, SpotFigures
from src.data.images import Images
from src.evaluation.predictions import Predictions
from src.explanation.overlays import RIGHT, WRONG, draw_heat
from src.figures import cell_for, fit, save, show

MAX_SPOTS = 4
COLUMNS, ROWS = 4, 3  # of wrong images; a row of right ones is below
CELL, LARGEST_CELL = 0.95, 1.3  # inches an image; its heatmap is beside it
MARGIN = 0.3  # inches around a spot


def save_blindspots(
    path: Path, blindspots: BlindSpots, images: Images, heatmaps: np.ndarray | None, predictions: Predictions
) -> None:
    """Write the picture of the first few spots; where there are none, it says so in words.

    Args:
        path: a PNG.
        blindspots: what was found.
        images: uint8 (N, H, W, 3).
        heatmaps: uint8 (N, h, w), see `src.explanation.gradcam.to_bytes`; None: images alone are drawn.
        predictions: N.
    """
    spots = blindspots.spots[:MAX_SPOTS]
    if not spots:
        _save_words(path, blindspots.headline)
        return
    cell = cell_for(images[:1], CELL, LARGEST_CELL)
    width = COLUMNS * 2 * cell + MARGIN
    height = (ROWS + 1) * (cell + 0.25) + 1.6
    columns = min(len(spots), 2)
    rows = -(-len(spots) // columns)
    figure = Figure((columns * width, rows * height + 0.4), layout="constrained")
    shown = f"; the first {MAX_SPOTS}" if len(blindspots.spots) > MAX_SPOTS else ""
    heading = f"{blindspots.headline[0].upper()}{blindspots.headline[1:]}{shown}"
    figure.suptitle(fit(heading, columns * width - 0.2, 11), fontsize=11, parse_math=False)
    parts = figure.subfigures(rows, columns, squeeze=False, hspace=0.02, wspace=0.02)
    for number, (part, spot) in enumerate(zip(parts.flat, spots, strict=False), 1):
        _draw_spot(part, number, spot, width, cell, images, heatmaps, predictions)
    save(figure, path)


def _draw_spot(
    part: SubFigure,
    number: int,
    spot: SpotFigures,
    width: float,
    cell: float,
    images: Images,
    heatmaps: np.ndarray | None,
    predictions: Predictions,
) -> None:
    """Its sentence and figures, wrong images, and below them right ones."""
    above, below = part.subfigures(2, 1, squeeze=False, height_ratios=[ROWS + 0.6, 1.3]).flat
    lines = [f"{number}. {spot.sentence[0].upper()}{spot.sentence[1:]}", spot.in_words]
    said = "\n".join(fit(line, width - MARGIN, 10) for line in lines)
    above.suptitle(said, fontsize=10, fontweight="bold", parse_math=False)
    similar = "Similar images that it recognizes" if spot.counterparts else "It recognizes no similar image"
    below.suptitle(similar, fontsize=9)
    places = (above, ROWS, spot.examples), (below, 1, spot.counterparts)
    for block, rows, positions in places:
        axes = block.subplots(rows, 2 * COLUMNS, squeeze=False, gridspec_kw={"wspace": 0.02, "hspace": 0.02})
        for axis in axes.flat:
            axis.set_axis_off()
        _draw_images(axes.reshape(-1, 2), positions, cell, images, heatmaps, predictions)


def _draw_images(
    pairs: np.ndarray,
    positions: Sequence[int],
    cell: float,
    images: Images,
    heatmaps: np.ndarray | None,
    predictions: Predictions,
) -> None:
    """On each pair of axes an image, and where the model looked; over it what the image is taken for."""
    for (left, right), position in zip(pairs, positions, strict=False):
        image = images[position]
        show(left, image)
        actual, answer = (
            predictions.classes[codes[position]] for codes in (predictions.actual, predictions.predicted)
        )
        is_right = bool(predictions.right[position])
        said = f"{answer}, right" if is_right else f"{actual}, taken for {answer}"
        _title(left, fit(said, 2 * cell, 8), RIGHT if is_right else WRONG)
        if heatmaps is not None:
            draw_heat(right, image, np.asarray(heatmaps[position], np.float32), 255.0, 0.0)


def _title(axis: Axes, text: str, color: str) -> None:
    """At the left, so that it has the width of the image and its heatmap."""
    axis.set_title(text, fontsize=8, pad=3, loc="left", color=color, parse_math=False)


def _save_words(path: Path, line: str) -> None:
    first, _, second = f"{line[0].upper()}{line[1:]}".partition("; ")
    figure = Figure((8, 1.2), layout="constrained")
    figure.text(0.5, 0.62, first, ha="center", va="center", fontsize=12, parse_math=False)
    figure.text(0.5, 0.3, second, ha="center", va="center", fontsize=9, parse_math=False)
    save(figure, path)
