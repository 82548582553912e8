"""Runs the benchmarks: `python -m benchmarks [--quick] [--json FILE] [NAME …]`."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    augmentation,
    compare,
    decode,
    groups,
    import_images,
    pipeline,
    safety,
    tables,
    training_step,
)
from benchmarks.recipes import with_recipe
from src.command import run_main
from src.hardware import choose_hardware
from src.outputs import write_output
from src.params import Params, load_params


def known(params: Params, quick: bool) -> dict[str, Callable[[], dict[str, float]]]:
    """Name → benchmark; `quick` ones take fewer rounds."""
    rounds = 1 if quick else 5
    images = 100 if quick else 3_000  # at least one batch
    return {
        "training_step": lambda: training_step.measure(params, images, rounds),
        "training_step_resnet18": lambda: training_step.measure(
            with_recipe(params, "resnet18"), images // 2, rounds
        ),
        "augmentation": lambda: augmentation.measure(2_000 if quick else 20_000, rounds),
        "decode": lambda: decode.measure(100 if quick else 2_000, rounds),
        "safety": lambda: safety.measure(
            params, max(256, params.batch_size) if quick else 4_500, min(rounds, 3)
        ),
        "tables": lambda: tables.measure(*((1_000, 10) if quick else (100_000, 1_000)), min(rounds, 3)),
        "import_images": lambda: import_images.measure(200 if quick else 100_000),
        "pipeline": lambda: pipeline.measure(params.dataset, min(rounds, 3)),
        "compare": lambda: compare.measure(params.dataset, rounds),
        "groups": lambda: groups.measure(params.dataset, 2 if quick else 10, rounds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures speed here and now.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="those to run; all of them without")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()

    params = load_params()
    benchmarks = known(params, options.quick)
    if unknown := set(options.names) - set(benchmarks):
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; known: {', '.join(benchmarks)}")

    hardware = choose_hardware(params.device, params.precision, lambda _: None)
    print(f"{params.model}, batch size {params.batch_size}, on {hardware}")
    figures = {}
    for name in options.names or benchmarks:
        figures[name] = benchmarks[name]()
        print(f"\n{name}")
        for key, value in figures[name].items():
            print(f"  {key:<42}{value:>12,.2f}")
    if options.json:
        content = {"hardware": str(hardware), **figures}
        write_output(options.json, json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    run_main("benchmarks", main)
