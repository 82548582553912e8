"""A heatmap over the picture it explains, at the picture's own size."""

import numpy as np
from matplotlib import colormaps
from PIL import Image

from src.preprocessing import Preprocessing, placement

HEAT = colormaps["inferno"]
MOST_OPAQUE = 0.8


def lay_over(picture: Image.Image, heat: np.ndarray, how: Preprocessing) -> Image.Image:
    """The picture in gray with the evidence over it, the stronger the less transparent.

    Outside of the center that `crop` takes there is none: the model has not seen it.

    Args:
        picture: RGB, upright, of any size.
        heat: float32 (h, w), over the square that was made of the picture, in units of the logit; what is
            below 0 is not drawn. Without any evidence the picture is only gray.
        how: how it was made a square.

    Returns:
        RGB, of the picture's size.
    """
    seen, filled = placement(picture.size, how)
    height, width = heat.shape
    scale = (width / how.size, height / how.size)
    part = tuple(edge * scale[number % 2] for number, edge in enumerate(filled))
    share = np.clip(heat, 0, None) / (heat.max() if heat.max() > 0 else 1)
    # From here on in bytes, because the picture may have a hundred million pixels.
    level = Image.new("L", picture.size)
    shown = Image.fromarray(np.round(255 * share).astype(np.uint8))
    shown = shown.resize((seen[2] - seen[0], seen[3] - seen[1]), Image.Resampling.BILINEAR, part)
    level.paste(shown, seen)

    levels = np.linspace(0, 1, 256)
    colors = np.round(255 * HEAT(levels)[:, :3]).astype(np.uint8)
    opacity = np.round(255 * MOST_OPAQUE * levels**0.6).astype(np.uint8)
    heated = level.convert("P")
    heated.putpalette(colors.ravel().tolist())
    gray = picture.convert("L").convert("RGB")
    return Image.composite(heated.convert("RGB"), gray, level.point(opacity.tolist()))
