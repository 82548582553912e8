"""Runs the benchmarks: `python -m benchmarks [--quick] [--json FILE] [NAME …]`."""

import argparse
from pathlib import Path

from benchmarks import augmentation, compare, pipeline, safety, training_step
from benchmarks.recipes import with_recipe
from src import artifacts, hardware, params
from src.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures speed here and now.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="those to run; all of them without")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()

    settings = params.load()
    rounds = 1 if options.quick else 5
    images = 500 if options.quick else 3_000
    benchmarks = {
        "training_step": lambda: training_step.measure(settings, images, rounds),
        "training_step_resnet18": lambda: training_step.measure(
            with_recipe(settings, "resnet18"), images // 2, rounds
        ),
        "augmentation": lambda: augmentation.measure(2_000 if options.quick else 20_000, rounds),
        "safety": lambda: safety.measure(settings, 256 if options.quick else 4_500, min(rounds, 3)),
        "pipeline": lambda: pipeline.measure(settings.dataset, min(rounds, 3)),
        "compare": lambda: compare.measure(settings.dataset, rounds),
    }
    if unknown := set(options.names) - set(benchmarks):
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; known: {', '.join(benchmarks)}")

    used = hardware.choose(settings.device, settings.precision, lambda _: None)
    print(f"{settings.model}, batch size {settings.batch_size}, on {used}")
    figures = {}
    for name in options.names or benchmarks:
        figures[name] = benchmarks[name]()
        print(f"\n{name}")
        for key, value in figures[name].items():
            print(f"  {key:<42}{value:>12,.2f}")
    if options.json:
        artifacts.write_json(options.json, {"hardware": str(used), **figures})


if __name__ == "__main__":
    run_stage("benchmarks", main)
