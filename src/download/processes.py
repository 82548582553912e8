"""Files are hashed by threads and decoded by processes: many at a time, in memory that stays flat."""

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for_end
from pathlib import Path
from typing import TypeVar

from src.download.facts import Facts, decode
from src.download.reader import UnusableImage, read_file
from src.errors import InputError
from src.preprocessing import Preprocessing
from src.progress import Progress

T = TypeVar("T")

BATCH = 16  # files a process is given at a time
IN_PROCESS = 64  # so few files are decoded before other processes would have started


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Parts of so many items; the last may be smaller."""
    return (items[start : start + size] for start in range(0, len(items), size))


def hash_files(files: Sequence[Path], processes: int) -> tuple[list[str], dict[int, str]]:
    """SHA-256 of each file, and the problem of those that cannot be read, by their place."""
    contents: list[str] = []
    problems: dict[int, str] = {}
    # Threads are enough: hashing and reading hold no lock. In parts, since each future takes memory.
    with Progress("reading", len(files), "file") as progress, ThreadPoolExecutor(max(1, processes)) as pool:
        for part in batches(files, 500):
            for content, problem in pool.map(_hash_file, part):
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
    """Facts of files, in batches, as they come.

    Args:
        work: SHA-256 of each file's bytes, and the file.
        how: squares are made.
        encoding: of what is stored, `raw` or `jpeg`.
        processes: at the same time.

    Raises:
        InputError: one of the processes was killed.
    """
    if processes <= 1 or len(work) < IN_PROCESS:
        for batch in batches(work, BATCH):
            yield _decode_batch(batch, how, encoding)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, start_worker)
    try:
        waiting: set[Future[list[Facts]]] = set()
        for batch in batches(work, BATCH):
            waiting.add(pool.submit(_decode_batch, batch, how, encoding))
            if len(waiting) >= 3 * processes:  # so that memory stays flat
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in as_completed(waiting))
    except BrokenProcessPool as error:
        raise InputError(
            "images.path: a process that decodes images was killed, perhaps for lack of memory; "
            "run again to continue from there, with `workers: 1` if it happens again"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def start_worker() -> None:
    """Of a pool: the process leaves Ctrl-C to its parent, and ends when that does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle

    def end_with_the_parent() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            wait_for_end([parent.sentinel])
            os._exit(1)

    threading.Thread(target=end_with_the_parent, daemon=True).start()


def _decode_batch(batch: Sequence[tuple[str, Path]], how: Preprocessing, encoding: str) -> list[Facts]:
    return [decode(content, path, how, encoding) for content, path in batch]
