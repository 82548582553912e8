"""From any kind of pixels to a square of 8-bit RGB."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

import numpy as np
from PIL import Image

from src.preprocessing import Preprocessing, center, placement, scaled

AROUND = (128, 128, 128)  # pads a picture: with the data's mean subtracted, about zero
JPEG_QUALITY = 95
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
# Before the exact resizing, a larger picture is halved or thirded fast, as long as it stays this many times
# the target: more than 2, and no difference can be seen (mean 0.2 of 255).
DRAFT_GAP, REDUCING_GAP = 2, 3.0

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnusableImage(Exception):  # noqa: N818 (it is no mistake of the program)
    """A file that cannot be used. The message is the reason in a few words: `truncated`, `0 bytes`."""


def orientation(image: Image.Image) -> int:
    """1 to 8, by EXIF; 1 if that is broken: no reason to lose a picture."""
    with suppress(Exception):
        turn = Image.Image.getexif(image).get(0x0112, 1)  # PNG's own would decode the pixels first
        return turn if turn in TURNS else 1
    return 1


def to_square(image: Image.Image, how: Preprocessing) -> Image.Image:
    """An opened picture, its pixels not yet decoded, as RGB of `how.size` × `how.size` pixels.

    Raises:
        UnusableImage: it contains values that are not numbers. Whatever Pillow raises goes through.
    """
    size, box = scaled(image.size, how), None
    if image.format in ("JPEG", "MPO"):
        # Decoded at 1/2, 1/4 or 1/8 where that is enough: 69 instead of 266 ms for 12 megapixels.
        image.draft(None, (DRAFT_GAP * size[0], DRAFT_GAP * size[1]))
    _load(image)
    turn = TURNS.get(orientation(image)) if image.format != "TIFF" else None
    image = _to_8_bits(image, how.white)
    if how.fit == "crop":
        size, box = (how.size, how.size), center(image.size)
    resample = Image.Resampling.BICUBIC if how.interpolation == "bicubic" else Image.Resampling.BILINEAR
    if image.size != size:
        image = image.resize(size, resample, box, REDUCING_GAP)
    if turn is not None:  # now that there is less to turn
        image = image.transpose(turn)
    if image.size != (how.size, how.size):
        square = Image.new("RGB", (how.size, how.size), AROUND)
        square.paste(image, placement(image.size, how)[1])
        return square
    return image if image.mode == "RGB" else image.convert("RGB")


def whole(image: Image.Image, white: float) -> Image.Image:
    """An opened picture at its own size: RGB, upright.

    Raises:
        UnusableImage: it contains values that are not numbers. Whatever Pillow raises goes through.
    """
    _load(image)
    turn = TURNS.get(orientation(image)) if image.format != "TIFF" else None
    image = _to_8_bits(image, white).convert("RGB")
    return image if turn is None else image.transpose(turn)


def to_jpeg(square: Image.Image) -> bytes:
    """A JPEG file, of a quality at which no difference can be seen."""
    content = io.BytesIO()
    square.save(content, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return content.getvalue()


def without_padding(square: Image.Image, size: tuple[int, int], how: Preprocessing) -> Image.Image:
    """What `to_square` put into the middle of a square.

    Args:
        square: of `how.size` × `how.size` pixels.
        size: width and height of the picture it was made of, as displayed.
        how: it was made.
    """
    return square.crop(placement(size, how)[1])


def _load(image: Image.Image) -> None:
    with _quiet_libtiff() if image.format == "TIFF" else nullcontext():
        image.load()


@contextmanager
def _quiet_libtiff() -> Iterator[None]:
    """libtiff prints what is wrong with a file straight to the terminal; the exception says it, too."""
    try:
        kept = os.dup(2)
    except OSError:  # a program without standard error prints nothing
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (no path)
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _to_8_bits(image: Image.Image, white: float) -> Image.Image:
    """RGB, or L where all of it is gray: a third of the work."""
    if image.mode in DEEP:
        return Image.fromarray(_scale_values(image, white))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        opaque = Image.new("RGB", image.size, "white")
        opaque.paste(image, mask=image.getchannel("A"))
        return opaque
    if image.mode in ("RGB", "L"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def deep_values(image: Image.Image) -> np.ndarray:
    """(height, width) of a picture in one of the DEEP modes, as stored.

    Raises:
        UnusableImage: some are not numbers, or infinite.
    """
    _load(image)
    values = np.asarray(image)
    if image.mode == "F" and not np.isfinite(values).all():
        raise UnusableImage("contains values that are not numbers")
    return values


def _scale_values(image: Image.Image, white: float) -> np.ndarray:
    values = deep_values(image)
    white = white or (1.0 if image.mode == "F" else 65535.0)
    shades = np.multiply(values, 255 / white, dtype=np.float32)
    np.rint(np.clip(shades, 0, 255, out=shades), out=shades)
    return shades.astype(np.uint8)
