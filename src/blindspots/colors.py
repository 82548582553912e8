"""The name of every color: black, gray, white, and those of the hues."""

from functools import cache

import cv2
import numpy as np

COLORS = (
    "black",
    "gray",
    "white",
    "red",
    "orange",
    "brown",
    "yellow",
    "green",
    "cyan",
    "blue",
    "purple",
    "pink",
)
# Where each hue ends, in degrees; red begins again at the last.
HUES = (
    (14, "red"),
    (42, "orange"),
    (70, "yellow"),
    (165, "green"),
    (195, "cyan"),
    (258, "blue"),
    (292, "purple"),
    (342, "pink"),
    (361, "red"),
)
BITS = 5  # a channel; finer differences don't change a name


def names_of(images: np.ndarray) -> np.ndarray:
    """Positions in `COLORS`: uint8 (...), of uint8 (..., 3) in RGB."""
    small = (images >> (8 - BITS)).astype(np.int32)
    return _table()[(small[..., 0] << 2 * BITS) | (small[..., 1] << BITS) | small[..., 2]]


@cache
def _table() -> np.ndarray:
    """The name of every color of `BITS` bits a channel: uint8 (32,768,)."""
    step = 1 << (8 - BITS)
    levels = np.arange(0, 256, step, dtype=np.float32) + (step - 1) / 2
    colors = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(1, -1, 3) / 255
    hue, saturation, value = cv2.cvtColor(colors, cv2.COLOR_RGB2HSV)[0].T
    names = np.array([name for _, name in HUES])[np.searchsorted([end for end, _ in HUES], hue, "right")]
    names = np.where((names == "orange") & (value < 0.68), "brown", names)
    names = np.where((names == "red") & (value > 0.7) & (saturation < 0.5), "pink", names)
    names = np.where(saturation < 0.15, np.where(value > 0.8, "white", "gray"), names)
    # Dark colors need more saturation to be seen as one.
    names = np.where((saturation * value < 0.1) & (value < 0.5), "gray", names)
    names = np.where(value < 0.2, "black", names)
    return np.array([COLORS.index(name) for name in names], np.uint8)
