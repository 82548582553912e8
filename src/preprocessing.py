"""How a picture becomes the square that a model takes, in training and wherever the model is used."""

from dataclasses import asdict, dataclass
from typing import Any

Box = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True)
class Preprocessing:
    """What is done to every picture before a model sees it.

    Attributes:
        size: side of the square in pixels.
        fit: how a picture that is no square becomes one: `pad` (with gray), `crop` (the center), `stretch`.
        interpolation: `bilinear` or `bicubic`, antialiased.
        white: the value that counts as white in pictures of more than 8 bits: one for the whole dataset, so
            that brightness can be compared; 0 where the dataset has no such picture, and 8 bits are the rule.
        max_pixels: a larger picture is refused, judging by its header.
        jpeg: whether the squares are kept as JPEG, which changes them a little; so all others go through it.
    """

    size: int = 32
    fit: str = "pad"
    interpolation: str = "bicubic"
    white: float = 0
    max_pixels: int = 200_000_000
    jpeg: bool = False

    def to_dict(self) -> dict[str, Any]:
        """For JSON; `Preprocessing(**content)` is the way back."""
        return asdict(self)

    def in_words(self) -> str:
        """For somebody who has to do the same in another program."""
        square = f"{self.size}×{self.size} pixels"
        ways = {
            "pad": f"scale it so that its longer side has {self.size} pixels, the other in proportion, and "
            f"center it on {square} of gray (128, 128, 128), an odd pixel right or below",
            "crop": f"cut out the largest square in the middle and scale that to {square}",
            "stretch": f"scale it to {square}, whatever its shape",
        }
        white = self.white or 65535
        jpeg = "Save it as JPEG, quality 95 without subsampling, and read it again. " if self.jpeg else ""
        return (
            "Turn the picture as its EXIF orientation says; put transparent pixels on white; make it RGB, "
            f"ignoring color profiles; of more than 8 bits, multiply values by 255/{white:g} and round; then "
            f"{ways[self.fit]}: {self.interpolation}, antialiased (Pillow's resize with reducing_gap 3; "
            "JPEGs are decoded at 1/2, 1/4 or 1/8 first where that leaves twice the size). "
            f"{jpeg}No normalization: the model does that."
        )


def scaled(size: tuple[int, int], how: Preprocessing) -> tuple[int, int]:
    """Of the whole picture when it fits (pad), covers (crop) or fills (stretch) the square."""
    if how.fit == "stretch":
        return how.size, how.size
    side = max(size) if how.fit == "pad" else min(size)
    width, height = (max(1, round(how.size * length / side)) for length in size)
    return width, height


def center(size: tuple[int, int]) -> Box:
    """The largest square in the middle of a picture of this width and height."""
    short = min(size)
    left, top = ((side - short) // 2 for side in size)
    return left, top, left + short, top + short


def placement(size: tuple[int, int], how: Preprocessing) -> tuple[Box, Box]:
    """What of a picture of this size (width, height) is where in the square that is made of it.

    Returns:
        Left, top, right and bottom of the part of the picture that is seen, and of the part of the square
        that it fills; both in pixels.
    """
    whole, square = (0, 0, *size), (0, 0, how.size, how.size)
    if how.fit == "crop":
        return center(size), square
    width, height = scaled(size, how)
    left, top = (how.size - width) // 2, (how.size - height) // 2
    return whole, (left, top, left + width, top + height)
