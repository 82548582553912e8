"""What it costs to be reproducible and to be able to resume after a kill."""

import os
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.epoch import random_split, seconds_an_epoch
from src import artifacts
from src.hardware import choose_hardware, set_up_torch
from src.params import Params
from src.training.checkpoint import CheckpointFile


def measure(params: Params, images_an_epoch: int, rounds: int) -> dict[str, float]:
    """An epoch's time with each of the two over its time without, medians over rounds.

    A checkpoint is written once an epoch, however long that is: with more images it weighs less.
    """
    hardware = choose_hardware(params.device, params.precision, lambda _: None)
    split = random_split(images_an_epoch)

    def seconds(deterministic: bool, checkpoint: CheckpointFile | None) -> float:
        set_up_torch(params.threads, deterministic)
        return seconds_an_epoch(params, hardware, split, checkpoint)

    prefix = f"{artifacts.TEMPORARY_PREFIX}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=Path.cwd()) as folder:
        checkpoint = CheckpointFile("benchmark")
        checkpoint.path = Path(folder, checkpoint.path.name)

        def with_checkpoint() -> float:
            checkpoint.remove()
            return seconds(True, checkpoint)

        with_checkpoint()  # the first steps choose kernels
        runs = [(seconds(False, None), seconds(True, None), with_checkpoint()) for _ in range(rounds)]
    return {
        "images_an_epoch": images_an_epoch,
        "deterministic_ratio": median(b / a for a, b, _ in runs),
        "checkpoint_ratio": median(c / b for _, b, c in runs),
        "both_ratio": median(c / a for a, _, c in runs),
        "checkpoint_s": median(c - b for _, b, c in runs),
    }
