"""The picture of blind spots: of each some wrong images, and images like these that are right."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from src.blindspots.files import BlindSpots
from src.data.images import Images
from src.evaluation.predictions import Predictions
from src.explanation.overlays import RIGHT, WRONG, draw_heat
from src.figures import cell_for, fit, save, show

MAX_SPOTS = 4
COLUMNS, ROWS = 4, 3  # of wrong images; a row of right ones is below
CELL, LARGEST_CELL = 0.95, 1.3  # inches an image; its heatmap is beside it
# Inches: around a spot, between an image and its heatmap, behind those, for a line over images, for headings.
MARGIN, GAP, SPACE, TITLE, LINE = 0.25, 0.04, 0.12, 0.26, 0.22
SIGNS = 10.5  # of a bold heading, an inch
LEGEND = "beside each image, where the model looked"


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
    row = TITLE + cell + GAP
    width = COLUMNS * (2 * cell + GAP + SPACE) + MARGIN
    sentences = [
        textwrap.wrap(f"{number}. {_capital(spot.sentence)}", int(SIGNS * (width - MARGIN)))[:2]
        for number, spot in enumerate(spots, 1)
    ]
    lines = max(map(len, sentences))
    height = (2.5 + lines) * LINE + (ROWS + 1) * row + MARGIN
    across = min(len(spots), 2)
    sheet = _Sheet(Figure((across * width + MARGIN, -(-len(spots) // across) * height + 2 * LINE)))
    shown = f"the first {MAX_SPOTS}; " if len(blindspots.spots) > MAX_SPOTS else ""
    sheet.write(f"{_capital(blindspots.headline)}; {shown}{LEGEND}", MARGIN, 1.1 * LINE, across * width, 11)
    for number, spot in enumerate(spots):
        left, top = MARGIN + number % across * width, 1.5 * LINE + number // across * height
        for line, text in enumerate(sentences[number], 1):
            sheet.write(text, left, top + line * LINE, width - MARGIN, 10, "bold")
        base = top + (len(sentences[number]) + 1) * LINE
        sheet.write(_capital(spot.in_words), left, base, width - MARGIN, 10)
        top += lines * LINE
        _draw_images(sheet, left, top + 1.2 * LINE, cell, spot.examples, images, heatmaps, predictions)
        below = top + 2.3 * LINE + ROWS * row
        similar = (
            "Similar images that it recognizes:" if spot.counterparts else "It recognizes no similar image."
        )
        sheet.write(similar, left, below, width - MARGIN, 9)
        _draw_images(sheet, left, below, cell, spot.counterparts, images, heatmaps, predictions)
    save(sheet.figure, path)


@dataclass(frozen=True)
class _Sheet:
    """A figure on which things lie where they are put, in inches from the left and from the top."""

    figure: Figure

    def axis(self, left: float, top: float, size: float) -> Axes:
        """A square."""
        width, height = self.figure.get_size_inches()
        axis = self.figure.add_axes((left / width, 1 - (top + size) / height, size / width, size / height))
        axis.set_axis_off()
        return axis

    def write(
        self,
        text: str,
        left: float,
        base: float,
        room: float,
        points: float,
        weight: str = "normal",
        color: str = "black",
    ) -> None:
        """A line, no wider than `room`, that stands on `base`."""
        width, height = self.figure.get_size_inches()
        # Bold signs are about a tenth wider than those that `fit` measures.
        shortened = fit(text, room / (1.12 if weight == "bold" else 1), points)
        self.figure.text(
            left / width,
            1 - base / height,
            shortened,
            fontsize=points,
            fontweight=weight,
            color=color,
            parse_math=False,
        )


def _draw_images(
    sheet: _Sheet,
    left: float,
    top: float,
    cell: float,
    positions: Sequence[int],
    images: Images,
    heatmaps: np.ndarray | None,
    predictions: Predictions,
) -> None:
    """Row by row images, each with its heatmap beside it, and over it what the image is taken for."""
    names = predictions.classes
    for number, position in enumerate(positions):
        x = left + number % COLUMNS * (2 * cell + GAP + SPACE)
        y = top + TITLE + number // COLUMNS * (TITLE + cell + GAP)
        image, right = images[position], bool(predictions.right[position])
        answer = names[predictions.predicted[position]]
        said = f"{answer}, right" if right else f"{names[predictions.actual[position]]}, taken for {answer}"
        sheet.write(said, x, y - 0.06, 2 * cell, 8, color=RIGHT if right else WRONG)
        show(sheet.axis(x, y, cell), image)
        if heatmaps is not None:
            heat = np.asarray(heatmaps[position], np.float32)
            draw_heat(sheet.axis(x + cell + GAP, y, cell), image, heat, 255.0, 0.0)


def _save_words(path: Path, line: str) -> None:
    first, _, second = _capital(line).partition("; ")
    figure = Figure((8, 1.2))
    figure.text(0.5, 0.58, first, ha="center", va="center", fontsize=12, parse_math=False)
    figure.text(0.5, 0.3, _capital(second), ha="center", va="center", fontsize=9, parse_math=False)
    save(figure, path)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
