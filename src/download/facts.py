"""What is worth knowing of a picture besides its pixels: which others it equals, which it resembles."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
from PIL import Image, ImageStat

from src.download.pixels import to_jpeg, without_padding
from src.download.reader import NO_MEMORY, Header, UnusableImage, read_file, read_with_header
from src.preprocessing import Preprocessing

THUMBNAIL = 12  # pixels a side
BLANK = 2.0  # standard deviation of 255 levels: less is not seen, and no camera's noise is as low
TINY = 16  # pixels of the shorter side
EXTREME = 10  # times as long as wide


@dataclass(frozen=True)
class Facts:
    """A file that was decoded, and what is stored of it.

    Attributes:
        content: SHA-256 of the file's bytes.
        problem: why it cannot be used; empty if it can. Then the rest is empty or 0.
        lasting: whether the problem is in the content, and will be the same next time.
        width: of the picture as displayed.
        height: the same.
        format: Pillow's name.
        mode: Pillow's name.
        pixels: SHA-256 of the square's pixels and the original size: equal for exact duplicates only.
        phash: 64 bits that nearly agree for pictures that look alike.
        remark: `blank`, `tiny`, `extreme aspect ratio`, or several of them; mostly empty.
        thumbnail: RGB bytes of the picture without padding, stretched to 12×12.
        payload: the square's RGB bytes, or a JPEG of them.
    """

    content: str
    problem: str = ""
    lasting: bool = True
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    pixels: str = ""
    phash: int = 0
    remark: str = ""
    thumbnail: bytes = b""
    payload: bytes = b""


def decode(content: str, path: Path, how: Preprocessing, encoding: str) -> Facts:
    """Read a file and find out all there is to store.

    Args:
        content: SHA-256 of the file's bytes, as they were before.
        path: the file.
        how: the square is made.
        encoding: of the payload, `raw` or `jpeg`.
    """
    try:
        source = read_file(path)
    except UnusableImage as error:
        return Facts(content, str(error), lasting=False)
    if hashlib.sha256(source).hexdigest() != content:
        return Facts(content, "changed while it was read", lasting=False)
    try:
        header, pixels = read_with_header(source, how)
    except UnusableImage as error:
        return Facts(content, str(error), lasting=str(error) != NO_MEMORY)
    square = Image.fromarray(pixels)
    picture = without_padding(square, (header.width, header.height), how)
    raw = pixels.tobytes()
    thumbnail = picture.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR, reducing_gap=3)
    return Facts(
        content,
        width=header.width,
        height=header.height,
        format=header.format,
        mode=header.mode,
        pixels=hashlib.sha256(raw + f"{header.width}×{header.height}".encode()).hexdigest(),
        phash=perceptual_hash(picture),
        remark=remark(picture, header),
        thumbnail=thumbnail.tobytes(),
        payload=raw if encoding == "raw" else to_jpeg(square),
    )


def perceptual_hash(picture: Image.Image) -> int:
    """64 bits of which pictures that look alike share most: scaled, compressed again, a little brighter.

    The signs of the 8×8 lowest frequencies of a 32×32 gray picture, against their median. Zauner,
    Implementation and Benchmarking of Perceptual Image Hash Functions (2010), 3.2.1, as the package ImageHash
    does it. Pictures of one color all have the same one.
    """
    small = picture.convert("L").resize((32, 32), Image.Resampling.LANCZOS, reducing_gap=3)
    frequencies = scipy.fft.dctn(np.asarray(small, np.float64), norm="ortho")[:8, :8]
    frequencies = frequencies.round(3)  # so that what is 0 but for rounding is 0 on every machine
    bits = np.packbits(frequencies > np.median(frequencies))
    return int.from_bytes(bits.tobytes(), "big")


def remark(picture: Image.Image, header: Header) -> str:
    """What the data report points at."""
    short, long = sorted((header.width, header.height))
    remarks = {
        "blank": max(ImageStat.Stat(picture).stddev) < BLANK,
        "tiny": short < TINY,
        "extreme aspect ratio": long > EXTREME * short,
    }
    return ", ".join(name for name, holds in remarks.items() if holds)
