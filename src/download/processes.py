"""Files are hashed by threads and decoded by processes: many at a time, in memory that stays flat."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from src.download.facts import Facts, decode
from src.download.reader import UnusableImage, read_file
from src.preprocessing import Preprocessing
from src.progress import Progress
from src.workers import Workers

T = TypeVar("T")

BATCH = 16  # files a process is given at a time
IN_PROCESS = 64  # so few files are decoded before other processes would have started
REMEDY = "Run again to continue from there, with `workers: 1` if it happens again"


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Parts of so many items; the last may be smaller."""
    return (items[start : start + size] for start in range(0, len(items), size))


def hash_files(files: Sequence[Path], processes: int) -> tuple[list[str], dict[int, str]]:
    """SHA-256 of each file, and the problem of those that cannot be read, by their place."""
    contents: list[str] = []
    problems: dict[int, str] = {}
    what = "images.path: a thread that reads files"
    with (
        Progress("reading", len(files), "file") as progress,
        # Threads are enough: hashing and reading hold no lock.
        Workers(_hash_file, max(1, processes), what, "Can all files be opened?", "thread") as workers,
    ):
        for part in batches(files, 500):
            for content, problem in workers.map(part):
                if problem:
                    problems[len(contents)] = problem
                contents.append(content)
            progress.advance(len(part))
    return contents, problems


def _hash_file(path: Path) -> tuple[str, str]:
    try:
        return hashlib.sha256(read_file(path)).hexdigest(), ""
    except UnusableImage as error:
        return "", str(error)


def decode_files(
    work: Sequence[tuple[str, Path]], how: Preprocessing, encoding: str, processes: int
) -> Iterator[list[Facts]]:
    """Facts of files, in batches and in their order.

    Args:
        work: SHA-256 of each file's bytes, and the file.
        how: squares are made.
        encoding: of what is stored, `raw` or `jpeg`.
        processes: at the same time.

    Raises:
        InputError: one of the processes died, or does not answer.
    """
    count = processes if processes > 1 and len(work) >= IN_PROCESS else 0
    what = "images.path: a process that decodes images"
    with Workers(partial(_decode_batch, how, encoding), count, what, REMEDY, "spawn") as workers:
        yield from workers.map(batches(work, BATCH))


def _decode_batch(how: Preprocessing, encoding: str, batch: Sequence[tuple[str, Path]]) -> list[Facts]:
    return [decode(content, path, how, encoding) for content, path in batch]
