"""Heatmaps over the images they explain."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize

from src.figures import CELL, canvas, cell_for, fit, save, show

HEAT = colormaps["inferno"]
LUMA = (0.299, 0.587, 0.114)  # brightness of red, green and blue, ITU-R BT.601
LARGEST, LARGEST_PROBE = 5.2, 2.4  # inches an image
MIN_VISIBLE = 0.02  # share of the strongest map below which another shows next to no evidence
RIGHT, WRONG = "#00695c", "#b3261e"  # told apart without color too: the title says which it is


def save_explanation(
    path: Path,
    image: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    maps: Sequence[np.ndarray],
    heading: str,
) -> None:
    """Write one image beside its heatmaps; the maps of a layer share one scale, from 0 to their maximum.

    Args:
        path: a PNG.
        image: uint8 (H, W, 3).
        rows: one name per layer.
        columns: one name per class.
        maps: for each layer float32 (classes, h, w) of any size; evidence against, below 0, is not drawn.
        heading: over the whole picture.
    """
    size = cell_for(image[None], 1.35 * CELL, LARGEST, 1.3)
    figure, axes = canvas(len(rows), 1 + len(columns), size * 1.1, size + 0.25, heading)
    for row, name in enumerate(rows):
        top = max(float(maps[row].max()), 0.0)
        show(axes[row, 0], image)
        axes[row, 0].set_ylabel(fit(name, size, 9), fontsize=9, parse_math=False)
        for column, label in enumerate(columns):
            axis = axes[row, 1 + column]
            draw_heat(axis, image, maps[row][column], top, MIN_VISIBLE * top)
            if row == 0:
                axis.set_title(fit(label, size, 9), fontsize=9, parse_math=False)
        scale = ScalarMappable(Normalize(0, top or 1), HEAT)
        legend = figure.colorbar(scale, ax=axes[row, :], fraction=0.03, pad=0.02, ticks=[0, top or 1])
        legend.ax.set_yticklabels(["none", "most"], fontsize=8)
        legend.set_label("evidence", fontsize=8)
    axes[0, 0].set_title("image", fontsize=9)
    save(figure, path)


def save_probes(
    path: Path,
    images: np.ndarray,
    titles: Sequence[str],
    correct: Sequence[bool],
    columns: Sequence[str],
    maps: Sequence[np.ndarray],
    heading: str,
) -> None:
    """Write images below each other with their heatmaps: one column per layer, each map on its own scale.

    Args:
        path: a PNG.
        images: uint8 (N, H, W, 3).
        titles: N.
        correct: N, whether the model recognized the image.
        columns: one name per layer.
        maps: for each layer float32 (N, h, w) of any size.
        heading: over the whole picture.
    """
    # Upright, so that those of two experiments fit beside each other on a page.
    size = cell_for(images, 0.8 * CELL, LARGEST_PROBE)
    figure, axes = canvas(len(images), 1 + len(columns), size, size, heading, extra=0.5)
    for column, name in enumerate(("image", *columns)):
        axes[0, column].set_title(fit(name, size, 9), fontsize=9)
    for row, (image, title) in enumerate(zip(images, titles, strict=True)):
        show(axes[row, 0], image)
        label = "\n".join(fit(line, size, 8) for line in title.split("\n"))
        color = RIGHT if correct[row] else WRONG
        axes[row, 0].set_ylabel(label, fontsize=8, color=color, parse_math=False)
        for column, of_layer in enumerate(maps, 1):
            # A scale of its own shows where; beside the layer's strongest, what is mere noise stays blank.
            least, heat = MIN_VISIBLE * float(of_layer.max()), of_layer[row]
            draw_heat(axes[row, column], image, heat, float(heat.max()), least)
    save(figure, path)


def draw_heat(axis: Axes, image: np.ndarray, heat: np.ndarray, top: float, least: float) -> None:
    """The image in gray with the heat over it, the stronger the less transparent, up to `top`.

    A map that nowhere reaches `least` is not drawn; words say so.
    """
    gray = np.repeat((image @ LUMA)[..., None] / 255, 3, axis=2)
    show(axis, gray)
    if heat.max() <= max(least, 0):
        said = "no positive evidence" if heat.max() <= 0 else "next to no evidence"
        box = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 2}
        axis.text(0.5, 0.06, said, transform=axis.transAxes, ha="center", fontsize=7, color="w", bbox=box)
        return
    share = np.clip(heat / top, 0, 1)
    colors = HEAT(share)
    colors[..., 3] = 0.8 * share**0.6
    height, width = image.shape[:2]
    axis.imshow(colors, interpolation="bilinear", extent=(-0.5, width - 0.5, height - 0.5, -0.5))
