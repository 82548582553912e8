"""Images on disk that may be more than memory holds: read when they are used, raw or as JPEG."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

import numpy as np
from PIL import Image

from src import artifacts

Key = int | slice | np.ndarray
CHUNK = 1_000  # images that are read at once where all of them are gone through
IN_MEMORY = (
    1 << 30
)  # bytes; a selection of images up to this size is copied to memory, where it is fast to read


class Images(Protocol):
    """What all images have in common with an array uint8 (N, H, W, 3), of which they may be one."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, key: Key, /) -> np.ndarray: ...


class _Lazy:
    """Images by position, slice or array of positions; one of them is read by `read`."""

    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Key) -> np.ndarray:
        if isinstance(key, int | np.integer):
            return self.read(range(len(self))[int(key)])
        positions = range(len(self))[key] if isinstance(key, slice) else np.asarray(key)
        if isinstance(positions, np.ndarray) and positions.dtype == bool:
            positions = np.flatnonzero(positions)
        chosen = np.empty((len(positions), *self.shape[1:]), np.uint8)
        for row, position in enumerate(positions):
            chosen[row] = self.read(range(len(self))[int(position)])
        return chosen

    def read(self, position: int) -> np.ndarray:
        """uint8 (H, W, 3)."""
        raise NotImplementedError


class RawImages(_Lazy):
    """The images in an .npy file, uint8 (N, H, W, 3). Sent to another process, only the path travels."""

    def __init__(self, path: Path, remedy: str = artifacts.REMEDY) -> None:
        self.path = path
        self.array = artifacts.read_array(path, np.uint8, (None, None, None, 3), remedy)
        self.shape = self.array.shape

    def __getitem__(self, key: Key) -> np.ndarray:
        return self.array[key]

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return type(self), (self.path,)


class JpegImages(_Lazy):
    """Images that are kept as JPEG, one after the other in a file, and decoded when they are read.

    Args:
        path: of that file; `.offsets.npy` beside it, int64 (N + 1,), has where each begins and the last ends.
        size: side of every image in pixels.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size
        self.offsets = artifacts.read_array(offsets_of(path), np.int64, (None,))
        self.content = np.memmap(artifacts.require(path), np.uint8, "r")
        self.shape = (len(self.offsets) - 1, size, size, 3)

    def read(self, position: int) -> np.ndarray:
        start, end = self.offsets[position : position + 2]
        with Image.open(io.BytesIO(self.content[start:end].tobytes())) as image:
            return np.asarray(image)

    def __reduce__(self) -> tuple[type, tuple[Path, int]]:
        return type(self), (self.path, self.size)


class Selection(_Lazy):
    """Some of other images, in an order of their own."""

    def __init__(self, images: Images, positions: np.ndarray) -> None:
        self.images, self.positions = images, positions
        self.shape = (len(positions), *images.shape[1:])

    def read(self, position: int) -> np.ndarray:
        return self.images[int(self.positions[position])]


def select(images: Images, positions: np.ndarray) -> Images:
    """The images at these positions, in this order: copied to memory if that is not too much for it."""
    size = len(positions) * int(np.prod(images.shape[1:]))
    if isinstance(images, JpegImages) or size > IN_MEMORY:
        return Selection(images, positions)
    return images[positions]


def chunks(images: Images) -> Iterator[np.ndarray]:
    """All images in order, uint8 (up to CHUNK, H, W, 3) at a time."""
    for start in range(0, len(images), CHUNK):
        yield images[start : start + CHUNK]


def offsets_of(path: Path) -> Path:
    """Where the offsets of `JpegImages` lie."""
    return path.with_suffix(".offsets.npy")


def images_file(folder: Path, split: str, store: str) -> Path:
    """Where a split's images lie, `store` being `raw` or `jpeg`."""
    return folder / f"{split}_images.{'npy' if store == 'raw' else 'jpegs'}"


def files_of_images(folder: Path, split: str, store: str) -> list[Path]:
    """All files that a split's images consist of."""
    path = images_file(folder, split, store)
    return [path] if store == "raw" else [path, offsets_of(path)]


def open_images(
    folder: Path, split: str, store: str, size: int, remedy: str = artifacts.REMEDY
) -> RawImages | JpegImages:
    """Open what `ImagesWriter` wrote.

    Raises:
        InputError: a file is missing or damaged.
    """
    path = images_file(folder, split, store)
    return RawImages(path, remedy) if store == "raw" else JpegImages(path, size)


class ImagesWriter:
    """Writes a split's images one by one, so that memory stays flat. Use it in a `with` block.

    Args:
        folder: where to.
        split: name of the part, which the files' names begin with.
        count: how many there will be.
        size: side of every image in pixels.
        store: `raw` or `jpeg`.
    """

    def __init__(self, folder: Path, split: str, count: int, size: int, store: str) -> None:
        self.path, self.count = images_file(folder, split, store), count
        self.sha256 = hashlib.sha256()  # of the images' bytes, as for other arrays without .npy's header
        self.ends = [0]
        self.file: BinaryIO = self.path.open("wb")
        if store == "raw":
            header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
            np.lib.format.write_array_header_1_0(self.file, header)

    def add(self, image: bytes) -> None:
        """The next image: its pixels row by row, or a JPEG file."""
        self.file.write(image)
        self.sha256.update(image)
        self.ends.append(self.ends[-1] + len(image))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        if error is None:
            assert len(self.ends) == self.count + 1
            if self.path.suffix != ".npy":
                np.save(offsets_of(self.path), np.array(self.ends, np.int64), allow_pickle=False)
