"""The one reader of picture files, for training, testing, predicting and the data report.

Pillow decodes: what a file is, its content says, not its name. The picture is turned as its EXIF says, put on
white where it is transparent, brought to 8 bits by one factor for the whole dataset where it has more, and
made a square. Color profiles (ICC) are ignored: pixels are taken as sRGB.
"""

import errno
import importlib
import io
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from src.download.pixels import DEEP, UnusableImage, deep_values, orientation, to_jpeg, to_square, whole
from src.preprocessing import Preprocessing

for plugin in ("pi_heif", "pillow_heif"):  # HEIC, where one of the two is installed
    with suppress(ImportError):
        importlib.import_module(plugin).register_heif_opener()
        break

Source = Path | bytes

Image.init()  # Pillow's own formats, of which those are used that hold pictures and run no other program
FORMATS = tuple(
    name
    for name in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF", "HEIF")
    if name in Image.OPEN
)
# Pillow's own limit warns at one size and raises at twice that; ours is a parameter, and says so.
Image.MAX_IMAGE_PIXELS = None

WHITES = (1, 255, 1023, 4095, 16383, 65535)  # of 8, 10, 12, 14 and 16 bits, and of fractions
NO_MEMORY = "takes more memory than there is"
MAX_BYTES = 2**31  # of a file; more is a film with a picture's name


@dataclass(frozen=True)
class Header:
    """What a file says about its picture.

    Attributes:
        format: Pillow's name of it: JPEG, PNG, …
        mode: Pillow's name of the kind of pixels: RGB, L, P, CMYK, I;16, …
        width: in pixels, as displayed: after the turn that EXIF asks for.
        height: the same.
    """

    format: str
    mode: str
    width: int
    height: int


def read_header(source: Source) -> Header:
    """Look at a file without decoding its pixels.

    Raises:
        UnusableImage: it is no picture. One whose header is sound can still turn out to be damaged.
    """
    with _opened(source) as image:
        return _header(image)


def read_image(source: Source, how: Preprocessing) -> np.ndarray:
    """Read a picture: uint8 (size, size, 3).

    Raises:
        UnusableImage: with the reason.
    """
    pixels = read_with_header(source, how)[1]
    if not how.jpeg:
        return pixels
    with Image.open(io.BytesIO(to_jpeg(Image.fromarray(pixels)))) as square:
        return np.array(square)


def read_whole(source: Source, how: Preprocessing) -> Image.Image:
    """A picture at its own size: RGB, upright, of at most `how.max_pixels`.

    Raises:
        UnusableImage: with the reason.
    """
    with _opened(source) as image:
        _check_size(_header(image), how.max_pixels)
        return whole(image, how.white)


def read_with_header(source: Source, how: Preprocessing) -> tuple[Header, np.ndarray]:
    """A picture, and what its file says of it.

    Raises:
        UnusableImage: with the reason.
    """
    with _opened(source) as image:
        header = _header(image)
        _check_size(header, how.max_pixels)
        return header, np.array(to_square(image, how))


def deep_maximum(source: Source, max_pixels: int = Preprocessing.max_pixels) -> float:
    """The highest value of a picture with more than 8 bits a pixel; 0 of any other.

    Raises:
        UnusableImage: with the reason.
    """
    with _opened(source) as image:
        if image.mode not in DEEP:
            return 0.0
        _check_size(_header(image), max_pixels)
        return max(0.0, float(deep_values(image).max()))


def choose_white(maxima: Sequence[float]) -> float:
    """The value that counts as white in all deep pictures of a dataset: `Preprocessing.white`.

    It goes in steps of bit depths, so that one picture more seldom changes it: 4095 for values up to 3,000.

    Args:
        maxima: highest values of pictures. 0 if none is above 0.
    """
    highest = max(maxima, default=0.0)
    if highest <= 0:
        return 0.0
    return float(next((white for white in WHITES if white >= highest), highest))


def read_file(path: Path) -> bytes:
    """A file's content.

    Raises:
        UnusableImage: there is no such file, it cannot be read, or it is a folder, empty, or very large.
    """
    with _reasons(), _open_file(path) as file:
        return file.read()


@contextmanager
def _opened(source: Source) -> Iterator[Image.Image]:
    """The picture, its pixels not yet decoded; what goes wrong in the block becomes an UnusableImage."""
    if source == b"":
        raise UnusableImage("0 bytes")
    with (
        _reasons(),
        warnings.catch_warnings(action="ignore"),
        io.BytesIO(source) if isinstance(source, bytes) else _open_file(source) as file,
    ):
        try:
            image = Image.open(file, formats=FORMATS)
        except UnidentifiedImageError:
            file.seek(0)
            raise UnusableImage(_not_identified(file.read(16))) from None
        with image:
            if min(image.size) < 1:
                raise UnusableImage("has no pixels")
            yield image


def _open_file(path: Path) -> BinaryIO:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise UnusableImage("a folder")
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait forever
        raise UnusableImage("not a file")
    if not status.st_size:
        raise UnusableImage("0 bytes")
    if status.st_size > MAX_BYTES:
        raise UnusableImage("larger than 2 GB")
    return path.open("rb")


@contextmanager
def _reasons() -> Iterator[None]:
    """Turns whatever goes wrong into an UnusableImage."""
    try:
        yield
    except UnusableImage:
        raise
    except MemoryError as error:
        raise UnusableImage(NO_MEMORY) from error
    except Exception as error:  # Pillow's plugins raise almost anything
        raise UnusableImage(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        known = {errno.ENOENT: "no such file", errno.EACCES: "no permission to read it"}
        return known.get(error.errno, (error.strerror or "cannot be read").lower())
    words = str(error).lower()
    if isinstance(error, EOFError) or "truncated" in words or "end of file" in words:
        return "truncated"
    return f"damaged ({' '.join(str(error).split())[:80] or type(error).__name__})"


def _not_identified(start: bytes) -> str:
    if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1"):
        return "HEIC, which needs `pip install pi-heif`"
    known = (name for name in FORMATS if (accept := Image.OPEN[name][1]) and accept(start))
    name = next(known, None)
    return f"damaged, or a kind of {name} that Pillow cannot read" if name else "not an image"


def _header(image: Image.Image) -> Header:
    width, height = image.size
    # Pillow turns TIFFs by itself, and tells the size after it.
    if image.format != "TIFF" and orientation(image) >= 5:
        width, height = height, width
    return Header(image.format or "", image.mode, width, height)


def _check_size(header: Header, max_pixels: int) -> None:
    pixels = header.width * header.height
    if pixels > max_pixels:
        raise UnusableImage(f"{pixels:,} pixels, more than images.max_pixels ({max_pixels:,})")
