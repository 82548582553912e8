"""What has to be known of all images before the first is decoded: their sizes, and how deep they are."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from src.download import reader
from src.download.pixels import DEEP
from src.download.processes import REMEDY, batches
from src.progress import Progress
from src.workers import Workers

BATCH = 500  # files a process is given at a time
IN_PROCESS = 5_000  # so few files are looked at before other processes would have started
SMALLEST, LARGEST, STEP = 32, 64, 32  # pixels that `size: auto` may mean for Blindspot's own models


def scan(files: Sequence[Path], max_pixels: int, processes: int) -> tuple[np.ndarray, float]:
    """Look at every file.

    Args:
        files: unusable ones among them are left to whoever decodes them.
        max_pixels: a larger image is not decoded.
        processes: at the same time; the result is the same for any number.

    Returns:
        int64, the shorter side of each usable image in pixels; what counts as white in those of more than
        8 bits, 0 where there are none: see `reader.choose_white`.
    """
    sides: list[int] = []
    maximum = 0.0
    count = processes if processes > 1 and len(files) >= IN_PROCESS else 0
    what = "images.path: a process that looks at images"
    with (
        Progress("looking at headers", len(files), "file") as progress,
        Workers(partial(_scan_batch, max_pixels), count, what, REMEDY, "spawn") as workers,
    ):
        for part_sides, part_maximum in workers.map(batches(files, BATCH)):
            sides += part_sides
            maximum = max(maximum, part_maximum)
            progress.advance(min(BATCH, len(files) - progress.done))
    return np.array(sides, np.int64), reader.choose_white([maximum])


def auto_size(sides: np.ndarray) -> int:
    """What `size: auto` means for Blindspot's own models, made for small images.

    The median of the shorter sides, rounded down to a multiple of 32: so few values that more files hardly
    ever change it.
    """
    median = int(np.median(sides)) if len(sides) else SMALLEST
    return min(max(median // STEP * STEP, SMALLEST), LARGEST)


def _scan_batch(max_pixels: int, files: Sequence[Path]) -> tuple[list[int], float]:
    sides, maximum = [], 0.0
    for file in files:
        try:
            header = reader.read_header(file)
            if header.width * header.height > max_pixels:
                continue
            if header.mode in DEEP:
                maximum = max(maximum, reader.deep_maximum(file))
            sides.append(min(header.width, header.height))
        except reader.UnusableImage:  # which is said when it is decoded
            continue
    return sides, maximum
