"""Runs the campaign: `python -m benchmarks.gpu [--minutes N] [--out FOLDER] [--rehearse] [STEP …]`."""

import argparse
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

from src.command import run_main
from src.errors import InputError, suggest

RESULTS, REHEARSAL = Path("gpu-results"), Path("gpu-results/rehearsal")


def main() -> None:
    options = parse()
    if options.rehearse:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch is imported
    from benchmarks.gpu import campaign
    from benchmarks.gpu.records import Records
    from benchmarks.gpu.steps import plan

    signal.signal(signal.SIGTERM, end)
    steps = plan(options.recipe_minutes * 60)
    names = [step.name for step in steps]
    for name in options.steps:
        if name not in names:
            raise InputError(f"STEP: unknown step {name!r}; {suggest(name, names)}")
    out = options.out or (REHEARSAL if options.rehearse else RESULTS)
    records = Records(out, options.rehearse)
    try:
        campaign.run(steps, records, options.minutes * 60, options.steps, partial(print, flush=True))
    finally:
        print(f"\n{records.write_table(names)}", end="", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description="Tries everything there is to try on a GPU. The same command continues where it stopped.",
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help="only these, even if they have a result")
    parser.add_argument(
        "--minutes", type=minutes, default=60, metavar="N", help="for all of it (default: %(default)s)"
    )
    parser.add_argument(
        "--recipe-minutes", type=minutes, default=2, metavar="N", help="for a recipe (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help=f"default: {RESULTS}, or {REHEARSAL} for a rehearsal"
    )
    parser.add_argument("--rehearse", action="store_true", help="every step on the CPU, with few images")
    return parser.parse_args()


def minutes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"should be a number of minutes, not {text!r}")
    return number


def end(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)  # through all that has to be ended and written first


if __name__ == "__main__":
    run_main("gpu", main)
