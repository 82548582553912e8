"""Draws the pictures: one object on a background, as a row of attributes says."""

from collections.abc import Mapping

import cv2
import numpy as np

SIZE = 64  # pixels
CLASSES = ("circle", "square", "star", "triangle")
# What a picture's attributes can be, and how often. Independent of each other and of the class, and chosen so
# that the shape can be told equally well everywhere: else there would be spots that nobody has planted.
ATTRIBUTES: Mapping[str, Mapping[str, float]] = {
    "color": {"red": 0.3, "yellow": 0.25, "green": 0.25, "blue": 0.2},
    "background": {"gray": 0.4, "brown": 0.25, "teal": 0.2, "purple": 0.15},
    "texture": {"plain": 0.5, "stripes": 0.3, "dots": 0.2},
    "size": {"small": 0.3, "medium": 0.4, "large": 0.3},
    "horizontal": {"left": 0.35, "center": 0.3, "right": 0.35},
    "vertical": {"top": 0.35, "middle": 0.3, "bottom": 0.35},
    "lighting": {"dark": 0.15, "normal": 0.7, "bright": 0.15},
    "focus": {"sharp": 0.8, "blurred": 0.2},
    "border": {"none": 0.75, "black": 0.13, "white": 0.12},
    "companion": {"none": 0.75, "bar": 0.25},
}
HUES = {"red": 0, "yellow": 30, "green": 60, "blue": 112}  # OpenCV's, 0 to 179
GROUNDS = {"gray": (0, 0), "brown": (14, 110), "teal": (92, 100), "purple": (145, 80)}  # hue and saturation
RADII = {"small": (9.0, 10.5), "medium": (12.5, 14.5), "large": (17.0, 19.5)}  # pixels
PLACES = {"left": 21, "center": 32, "right": 43, "top": 21, "middle": 32, "bottom": 43}
LIGHT = {"dark": (0.45, 0.0), "normal": (1.0, 0.0), "bright": (0.62, 97.0)}  # factor, then what is added
FAINT = (0.16, 0.24)  # how much of a faint object covers what is behind it
NOISE = 5.0  # standard deviation of each pixel, of 255
FRACTION = 4  # binary digits of a pixel that edges are drawn with


def draw(shape: str, attributes: Mapping[str, str], faint: bool, rng: np.random.Generator) -> np.ndarray:
    """One picture, uint8 (SIZE, SIZE, 3), red, green, blue.

    Args:
        shape: one of `CLASSES`.
        attributes: a word for each of `ATTRIBUTES`.
        faint: whether what is behind the object shines through.
        rng: for everything that no word settles: angles, shades, noise.
    """
    picture = _ground(attributes["background"], attributes["texture"], rng)
    radius = rng.uniform(*RADII[attributes["size"]])
    center = np.array([PLACES[attributes["horizontal"]], PLACES[attributes["vertical"]]])
    center = center + rng.uniform(-2, 2, 2)
    if attributes["companion"] == "bar":
        _companion(picture, center, rng)
    hue = (HUES[attributes["color"]] + rng.uniform(-5, 5)) % 180
    color = _rgb(hue, rng.uniform(190, 240), rng.uniform(200, 245))
    cover = rng.uniform(*FAINT) if faint else 1.0
    mask = cover * _filled(_outline(shape, radius, center, rng.uniform(0, 2 * np.pi)))[..., None]
    picture = picture * (1 - mask) + color * mask
    if attributes["border"] != "none":
        _frame(picture, 20.0 if attributes["border"] == "black" else 235.0, int(rng.integers(3, 5)))
    if attributes["focus"] == "blurred":
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(1.2, 1.6))
    factor, added = LIGHT[attributes["lighting"]]
    picture = picture * factor * rng.uniform(0.92, 1.08) + added
    picture += NOISE * rng.standard_normal(picture.shape, np.float32)
    return picture.round().clip(0, 255).astype(np.uint8)


def _ground(name: str, texture: str, rng: np.random.Generator) -> np.ndarray:
    """The background, float32 (SIZE, SIZE, 3)."""
    hue, saturation = GROUNDS[name]
    value = rng.uniform(115, 150)
    color = _rgb((hue + rng.uniform(-4, 4)) % 180, saturation, value)
    picture = np.broadcast_to(color, (SIZE, SIZE, 3)).copy()
    lines = np.zeros((SIZE, SIZE), np.float32)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(7, 10)
    along = (x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period + rng.uniform(0, 2 * np.pi)
    across = (y * np.cos(angle) - x * np.sin(angle)) * 2 * np.pi / period + rng.uniform(0, 2 * np.pi)
    if texture == "stripes":
        lines = np.tanh(3 * np.sin(along))
    elif texture == "dots":
        lines = np.tanh(3 * (np.sin(along) + np.sin(across) - 0.7))
    return picture + 17 * lines[..., None]


def _companion(picture: np.ndarray, center: np.ndarray, rng: np.random.Generator) -> None:
    """A light bar, away from the object's center; the object may cover its end."""
    away = np.array([SIZE / 2, SIZE / 2]) - center + rng.uniform(-9, 9, 2)
    away = away / max(np.linalg.norm(away), 1e-6) * rng.uniform(21, 25)
    middle = (center + away).clip(9, SIZE - 9)
    angle, half = rng.uniform(0, np.pi), rng.uniform(6, 8)
    direction = half * np.array([np.cos(angle), np.sin(angle)])
    aside = 1.6 / half * np.array([-direction[1], direction[0]])
    corners = np.array([direction + aside, direction - aside, -direction - aside, -direction + aside])
    mask = _filled(middle + corners)[..., None]
    picture += mask * (225 - picture)


def _frame(picture: np.ndarray, value: float, width: int) -> None:
    for side in (picture[:width], picture[-width:], picture[:, :width], picture[:, -width:]):
        side[:] = value


def _outline(shape: str, radius: float, center: np.ndarray, turn: float) -> np.ndarray:
    """Corners of a shape, (N, 2); all shapes have the same area, so that size does not tell them apart."""
    corners = {"circle": 36, "square": 4, "triangle": 3, "star": 10}[shape]
    distances = np.full(corners, 1.0)
    if shape == "star":
        distances[1::2] = 0.45
    angles = turn + 2 * np.pi * np.arange(corners) / corners
    points = distances[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    x, y = points.T
    area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    # That of a circle would make a star reach out too far.
    return center + points * radius * np.sqrt(0.75 * np.pi / area) ** 0.8


def _filled(points: np.ndarray) -> np.ndarray:
    """The share of each pixel that a polygon covers, about: float32 (SIZE, SIZE)."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    corners = np.round(points * 2**FRACTION).astype(np.int32)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, FRACTION)
    return mask.astype(np.float32) / 255


def _rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    """A color, float32 (3,), 0 to 255, from OpenCV's hue (0 to 179), saturation and value (0 to 255)."""
    pixel = np.array([[[2 * hue, saturation / 255, value / 255]]], np.float32)
    return 255 * cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0]
