"""The recipe `fast-94` on CIFAR-10, and one epoch of a textbook ResNet-18.

`python -m benchmarks.time_to_accuracy [--seeds 0 1 2] [--textbook-images N] [--json FILE]`; they take turns,
each in a process of its own. Our time is the whole `train` stage's: start-up, augmentation and the curve on
the test split included. The textbook's is that of its steps alone, on images that are in memory.
"""

import argparse
import json
from pathlib import Path
from statistics import mean

from benchmarks.clone import Clone, clone
from benchmarks.recipes import with_recipe
from benchmarks.textbook import images_per_second
from src import artifacts
from src.command import run_main
from src.outputs import write_output
from src.params import load_params

CIFAR10 = 50_000  # training images


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_to_accuracy", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED")
    parser.add_argument(
        "--textbook-images", type=int, default=CIFAR10, metavar="N", help="time these, and scale to an epoch"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()

    with clone() as project:
        project.change(**with_recipe(load_params(), "fast-94").model_dump() | {"dataset": "cifar10"})
        for stage in ("download", "compute_mean_std", "find_lr"):
            project.run("python", "-m", f"stages.{stage}")
        rows = []
        for seed in options.seeds:
            rows.append(measure(project, seed, options.textbook_images))
            print(", ".join(f"{key} {value:.4g}" for key, value in rows[-1].items()), flush=True)
    print(
        f"mean accuracy {mean(row['accuracy'] for row in rows):.2%} "
        f"({mean(row['accuracy_without_tta'] for row in rows):.2%} without test-time augmentation), "
        f"mean ratio {mean(row['ratio'] for row in rows):.2f}"
    )
    if options.json:
        write_output(options.json, json.dumps({"runs": rows}, indent=2) + "\n")


def measure(project: Clone, seed: int, textbook_images: int) -> dict[str, float]:
    """Accuracies and seconds of one seed."""
    project.change(seed=seed)
    ours = project.seconds("python", "-m", "stages.train")
    project.run("python", "-m", "stages.evaluate")
    test = json.loads((project.folder / artifacts.TEST_METRICS).read_text())
    textbook = CIFAR10 / images_per_second("resnet18", 128, textbook_images)
    return {
        "seed": seed,
        "accuracy": test["accuracy"],
        "accuracy_without_tta": test["accuracy_without_tta"],
        "training_s": ours,
        "textbook_images": textbook_images,
        "textbook_epoch_s": textbook,
        "ratio": ours / textbook,
    }


if __name__ == "__main__":
    run_main("benchmarks", main)
