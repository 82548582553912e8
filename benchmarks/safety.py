"""What it costs to be repeatable and to be able to go on after a kill."""

import tempfile
from pathlib import Path
from statistics import median

from benchmarks.epoch import random_split, seconds_an_epoch
from src import hardware, params
from src.resume import StateFile


def measure(settings: params.Params, images_an_epoch: int, rounds: int) -> dict[str, float]:
    """An epoch's time with each of the two over its time without, medians over rounds.

    State is written once an epoch, whatever its length: with more images it weighs less.
    """
    used = hardware.choose(settings.device, settings.precision, lambda _: None)
    split = random_split(images_an_epoch)

    def seconds(deterministic: bool, state_file: StateFile | None) -> float:
        hardware.set_up(settings.threads, deterministic)
        return seconds_an_epoch(settings, used, split, state_file)

    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=Path.cwd()) as folder:
        state_file = StateFile("benchmark")
        state_file.path = Path(folder, state_file.path.name)

        def with_state() -> float:
            state_file.remove()
            return seconds(True, state_file)

        with_state()  # the first steps choose kernels
        runs = [(seconds(False, None), seconds(True, None), with_state()) for _ in range(rounds)]
    return {
        "images_an_epoch": images_an_epoch,
        "deterministic_ratio": median(b / a for a, b, _ in runs),
        "state_ratio": median(c / b for _, b, c in runs),
        "both_ratio": median(c / a for a, _, c in runs),
        "state_s": median(c - b for _, b, c in runs),
    }
