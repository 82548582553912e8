"""The parts of a picture: its frame, what stands out from that, and what the model looks at."""

import cv2
import numpy as np

from src.blindspots.colors import COLORS, names_of

SIDE = 32  # pixels; parts need no more
FRAME = 1 / 8  # width of the frame, relative to the picture
RARE = 0.15  # share of the frame; a color of fewer pixels is none of its own
ROUNDS = 3  # of k-means with the frame's two colors
NOISE = 0.8  # quantile of the frame's own differences from its colors,
TIMES = 1.6  # which times this are noise; the rest of the frame may belong to what stands out
MARGIN = 6.0  # in Lab units of 255, beyond the noise, from which on a pixel stands out
SMALLEST = 0.003  # share of the picture; smaller parts are noise
HALF = 0.5  # of the map's maximum


def objects(images: np.ndarray) -> dict[str, np.ndarray]:
    """What stands out from the frame: pixels unlike the two colors that describe the frame best.

    Args:
        images: uint8 (n, h, w, 3).

    Returns:
        `border` (log of the frame's standard deviation) and `background color`; `object` (1 where something
        stands out, else 0), and where it is 1: `object size` (share of the picture), `object x`, `object y`
        (center of mass, 0 to 1), `object color`, `object contrast` (distance in color from the frame) and
        `object texture` (mean brightness difference of neighbors), all (n,); NaN where nothing stands out.
    """
    small = _resize(images)
    lab = _lab(small)
    frame = _frame(*small.shape[1:3])
    border = lab[:, frame]
    distance = _distance(lab, border)
    noise = TIMES * np.quantile(distance[:, frame], NOISE, axis=1)
    mask = distance > (noise + MARGIN)[:, None, None]
    mask &= _smooth(mask) > 0.4  # no single pixels
    names = names_of(small)
    numbers = {
        "border": np.log(border.std(1).mean(1) + 1),
        "background color": _dominant(names[:, frame], np.ones((len(small), int(frame.sum())), bool)),
    }
    size = mask.mean((1, 2))
    found = size >= SMALLEST
    x, y = _center(mask.astype(np.float32))
    contrast = (distance * mask).sum((1, 2)) / np.maximum(mask.sum((1, 2)), 1)
    part = {
        "object size": size,
        "object x": x,
        "object y": y,
        "object color": _dominant(names.reshape(len(small), -1), mask.reshape(len(small), -1)),
        "object contrast": contrast,
        "object texture": _texture(lab[..., 0], mask),
    }
    numbers["object"] = found.astype(float)
    return numbers | {name: np.where(found, values, np.nan) for name, values in part.items()}


def focus(images: np.ndarray, heatmaps: np.ndarray) -> dict[str, np.ndarray]:
    """What the model looks at: where the heatmap is at least half of its maximum.

    Args:
        images: uint8 (n, h, w, 3).
        heatmaps: uint8 (n, any, any).

    Returns:
        `focus size` (share of the picture), `focus x`, `focus y` (center of mass of the map), `focus color`
        and `focus contrast` (distance between the mean colors inside and outside), (n,); NaN where the map is
        empty.
    """
    small = _resize(images)
    height, width = small.shape[1:3]
    maps = np.stack([cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in heatmaps])
    values = maps.astype(np.float32)
    peak = values.max((1, 2))
    inside = values >= np.maximum(HALF * peak, 1)[:, None, None]
    x, y = _center(values)
    lab = _lab(small)
    means = [_mean(lab.reshape(len(lab), -1, 3), part.reshape(len(lab), -1), 0) for part in (inside, ~inside)]
    numbers = {
        "focus size": inside.mean((1, 2)),
        "focus x": x,
        "focus y": y,
        "focus color": _dominant(names_of(small).reshape(len(small), -1), inside.reshape(len(small), -1)),
        "focus contrast": np.linalg.norm(means[0] - means[1], axis=1),
    }
    return {name: np.where(peak > 0, number, np.nan) for name, number in numbers.items()}


def _resize(images: np.ndarray) -> np.ndarray:
    if max(images.shape[1:3]) <= SIDE:
        return images
    scale = SIDE / max(images.shape[1:3])
    size = max(4, round(images.shape[2] * scale)), max(4, round(images.shape[1] * scale))
    return np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])


def _lab(images: np.ndarray) -> np.ndarray:
    """float32 (n, h, w, 3), each 0 to 255; equal distances look about equally large."""
    count, height, width, _ = images.shape
    lab = cv2.cvtColor(images.reshape(count * height, width, 3), cv2.COLOR_RGB2LAB)
    return lab.reshape(images.shape).astype(np.float32)


def _frame(height: int, width: int) -> np.ndarray:
    """bool (h, w)."""
    frame = np.ones((height, width), bool)
    down, right = max(1, round(FRAME * height)), max(1, round(FRAME * width))
    frame[down:-down, right:-right] = False
    return frame


def _distance(lab: np.ndarray, border: np.ndarray) -> np.ndarray:
    """float32 (n, h, w): to the nearer one of the two colors of the frame, found by k-means.

    Args:
        lab: float32 (n, h, w, 3).
        border: float32 (n, pixels, 3), the frame's.
    """
    one = np.median(border, axis=1)
    other = np.take_along_axis(border, _squares(border, one).argmax(1)[:, None, None], 1)[:, 0]
    for _ in range(ROUNDS):
        nearer = _squares(border, other) < _squares(border, one)
        one, other = _mean(border, ~nearer, one), _mean(border, nearer, other)
        # A few pixels are no color of the frame: what stands out may reach into it.
        rare = nearer.mean(1) < RARE
        other[rare] = one[rare]
    pixels = lab.reshape(len(lab), -1, 3)
    return np.sqrt(np.minimum(_squares(pixels, one), _squares(pixels, other))).reshape(lab.shape[:3])


def _squares(pixels: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Squared distances (n, pixels) of (n, pixels, 3) from (n, 3)."""
    product = (pixels @ center[:, :, None])[..., 0]
    squares = np.einsum("npc,npc->np", pixels, pixels)
    return np.maximum(squares - 2 * product + np.square(center).sum(1)[:, None], 0)


def _mean(pixels: np.ndarray, mask: np.ndarray, otherwise: np.ndarray | float) -> np.ndarray:
    """(n, 3): of the pixels (n, pixels, 3) in a mask; `otherwise` where it has none."""
    weights = mask.astype(np.float32)
    total = weights.sum(1)[:, None]
    return np.where(total > 0, np.einsum("npc,np->nc", pixels, weights) / np.maximum(total, 1), otherwise)


def _smooth(mask: np.ndarray) -> np.ndarray:
    """Share of the 3 x 3 pixels around each that are in the mask."""
    return np.stack([cv2.blur(one, (3, 3)) for one in mask.astype(np.float32)])


def _center(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Center of mass, x and y from 0 to 1, of float32 (n, h, w)."""
    _, height, width = weights.shape
    total = np.maximum(weights.sum((1, 2)), 1e-9)
    x = weights.sum(1) @ ((np.arange(width) + 0.5) / width) / total
    y = weights.sum(2) @ ((np.arange(height) + 0.5) / height) / total
    return x, y


def _dominant(names: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The most frequent color in the mask, both (n, pixels): float (n,)."""
    count = len(names)
    places = np.arange(count, dtype=np.int64)[:, None] * len(COLORS) + names
    found = np.bincount(places[mask], minlength=count * len(COLORS)).reshape(count, len(COLORS))
    return found.argmax(1).astype(float)


def _texture(light: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean difference in lightness between neighbors that are both inside: (n,)."""
    down, right = mask[:, 1:] & mask[:, :-1], mask[:, :, 1:] & mask[:, :, :-1]
    total = (np.abs(np.diff(light, axis=1)) * down).sum((1, 2))
    total += (np.abs(np.diff(light, axis=2)) * right).sum((1, 2))
    return total / np.maximum(down.sum((1, 2)) + right.sum((1, 2)), 1)
