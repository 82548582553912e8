"""Pictures for a page: small, and only as many as it has room for."""

import io
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image

from src.data.images import Images

SIDE = 96  # pixels; larger images are shrunk
SMALL = 48  # pixels; smaller images are seen pixel by pixel, so that each of them counts
QUALITY_SMALL, QUALITY = 95, 80
MAP_SIDE = 16  # pixels of a heatmap's longer side; finer ones are shrunk


def thumbnail(image: np.ndarray) -> bytes:
    """An image, uint8 (H, W, 3), as a WebP file of at most SIDE pixels."""
    longest = max(image.shape[:2])
    picture = Image.fromarray(np.ascontiguousarray(image))
    if longest > SIDE:
        width, height = (max(round(side * SIDE / longest), 1) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=QUALITY_SMALL if longest <= SMALL else QUALITY)
    return file.getvalue()


def fill(
    order: Iterable[int], images: Images, cost: Callable[[int], int], budget: int
) -> tuple[np.ndarray, list[bytes]]:
    """The first images in an order that a page has room for.

    Args:
        order: positions, the most important first.
        images: uint8 (N, H, W, 3), of which only those in question are read.
        cost: of an image beside its picture, in bytes of the page.
        budget: bytes of the page.

    Returns:
        Their positions in ascending order, int64, and the thumbnail of each.
    """
    chosen: dict[int, bytes] = {}
    for index in order:
        picture = thumbnail(images[int(index)])
        budget -= cost(int(index)) + 4 * len(picture) // 3 + 1  # base64 takes four bytes for three
        if budget < 0 and chosen:
            break
        chosen[int(index)] = picture
    positions = np.array(sorted(chosen), np.int64)
    return positions, [chosen[index] for index in positions.tolist()]


def shrink_maps(maps: np.ndarray) -> np.ndarray:
    """Heatmaps uint8 (N, h, w) of at most MAP_SIDE pixels a side, 255 again the highest of each."""
    longest = max(maps.shape[1:])
    if longest <= MAP_SIDE or not len(maps):
        return maps
    height, width = (max(round(side * MAP_SIDE / longest), 1) for side in maps.shape[1:])
    small = np.stack(
        [np.asarray(Image.fromarray(m).resize((width, height), Image.Resampling.BOX)) for m in maps]
    )
    top = np.maximum(small.max((1, 2), keepdims=True), 1)
    return np.round(small * (255 / top)).astype(np.uint8)
