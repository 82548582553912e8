"""What a picture is like, in numbers that have words: light, colors, sharpness, and where things are."""

from collections.abc import Iterator

import cv2
import numpy as np
import pandas as pd

from src.blindspots import corners, regions
from src.data.images import CHUNK, Images

MAX_SIDE = 96  # pixels; larger pictures are reduced first
EDGE = 24  # of 255: brightness differences between neighbors from which on there is an edge
FLAT = 3  # of 255: below, there is none at all


def measure(images: Images, heatmaps: np.ndarray | None) -> pd.DataFrame:
    """Numbers for every image; `src.blindspots.words` says them.

    | attribute | number |
    | --- | --- |
    | brightness, contrast | mean and standard deviation of the gray values, 0 to 1 |
    | saturation | mean, 0 to 1 |
    | sharpness | log of the Laplacian's variance relative to that of the gray values |
    | texture, blank part | shares of pixels with an edge, and without any difference to their neighbors |
    | border | standard deviation in the frame, log |
    | background color | position in `COLORS`, most frequent in the frame |
    | object … | of what differs from the frame's colors; see `regions.objects` |
    | focus … | of what the model looks at; see `regions.focus`; only with heatmaps |
    | top-left corner … | 1 where it holds the same mark as in other images, else 0; see `corners.marks` |

    Args:
        images: uint8 (N, H, W, 3).
        heatmaps: uint8 (N, h, w), or None.

    Returns:
        A row an image, float columns; NaN where something cannot be told.
    """
    parts, patches = [], []
    for part, maps in _chunks(images, heatmaps):
        parts.append(pd.DataFrame(_measure(part, maps)))
        patches.append(corners.patches_of(part))
    if not parts:
        return pd.DataFrame()
    marks = corners.marks(np.concatenate(patches, axis=1))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(**{f"{corner} corner": marked.astype(float) for corner, marked in marks.items()})


def aspects(sizes: np.ndarray) -> pd.DataFrame:
    """Of the original files: `aspect`, width by height.

    Args:
        sizes: (N, 2), width and height in pixels; NaN where there was no file.
    """
    return pd.DataFrame({"aspect": sizes[:, 0] / sizes[:, 1]})


def _chunks(images: Images, heatmaps: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Some images at a time, at most `MAX_SIDE` pixels high and wide, with their heatmaps."""
    height, width = images.shape[1:3]
    scale = min(1.0, MAX_SIDE / max(height, width))
    size = max(4, round(width * scale)), max(4, round(height * scale))
    for start in range(0, len(images), CHUNK):
        part = np.ascontiguousarray(images[start : start + CHUNK])
        if size != (width, height):
            part = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in part])
        yield part, None if heatmaps is None else heatmaps[start : start + CHUNK]


def _measure(images: np.ndarray, heatmaps: np.ndarray | None) -> dict[str, np.ndarray]:
    count, height, width, _ = images.shape
    tall = images.reshape(count * height, width, 3)
    gray = cv2.cvtColor(tall, cv2.COLOR_RGB2GRAY).reshape(count, height, width)
    saturation = cv2.cvtColor(tall, cv2.COLOR_RGB2HSV)[..., 1].reshape(count, -1)
    deviation = np.array([image.std() for image in gray])
    laplacian = np.array([cv2.Laplacian(image, cv2.CV_32F).var() for image in gray])
    down = np.abs(np.diff(gray.astype(np.int16), axis=1))[:, :, :-1]
    right = np.abs(np.diff(gray.astype(np.int16), axis=2))[:, :-1]
    steps = np.maximum(down, right)
    numbers = {
        "brightness": gray.mean((1, 2)) / 255,
        "contrast": deviation / 255,
        "saturation": saturation.mean(1) / 255,
        "sharpness": np.log((laplacian + 1) / (deviation**2 + 1)),
        "texture": (steps >= EDGE).mean((1, 2)),
        "blank part": (steps < FLAT).mean((1, 2)),
    }
    numbers |= regions.objects(images)
    if heatmaps is not None:
        numbers |= regions.focus(images, heatmaps)
    return numbers
