"""What is lost when two processes with a thread each train in place of one with two threads.

`python -m benchmarks.processes` prints images a second of one and of two, measured in turn, and their ratio;
augmentation and figures are included.
"""

import argparse
import subprocess
import sys
from statistics import median

from benchmarks.epoch import random_split, seconds_an_epoch
from src import distributed, launch, ranks
from src.command import run_main
from src.hardware import choose_hardware, set_up_torch
from src.params import load_params

NAME = "benchmarks.processes"
THREADS = 2  # of all processes together


def images_per_second(count: int, images: int) -> float:
    """Of so many processes, from one to the other end of an epoch."""
    command = [sys.executable, "-m", NAME, "--count", str(count), "--images", str(images)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(images: int, rounds: int) -> dict[str, float]:
    """Images a second and their ratio, each the median over rounds."""
    found = [[images_per_second(count, images) for count in (1, 2)] for _ in range(rounds)]
    return {
        "one_process_images_per_s": median(one for one, _ in found),
        "two_processes_images_per_s": median(two for _, two in found),
        "two_over_one": median(two / one for one, two in found),
    }


def time_here(images: int) -> float:
    """In this process, which may be one of several, after an epoch that chooses kernels."""
    params = load_params()
    hardware = choose_hardware("cpu", params.precision)
    distributed.join(hardware.device)
    set_up_torch(THREADS, params.deterministic)
    split = random_split(images)
    seconds_an_epoch(params, hardware, split)
    return images / seconds_an_epoch(params, hardware, split)


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {NAME}", description="Measures speed here and now.")
    parser.add_argument("--count", type=int, help="only so many processes; prints images a second")
    parser.add_argument("--images", type=int, default=5_000, help="in an epoch (5000)")
    parser.add_argument("--rounds", type=int, default=5, help="epochs that are timed (5)")
    options = parser.parse_args()
    if options.count is None:
        for key, value in measure(options.images, options.rounds).items():
            print(f"{key:<30}{value:>10,.2f}")
    elif options.count > 1 and ranks.OURS.size == 1:
        launch.run_in_several(NAME, options.count, sys.argv[1:])
    else:
        if ranks.OURS.size > 1:
            ranks.settle_in()
        print(time_here(options.images))


if __name__ == "__main__":
    run_main("processes", main)
