"""The recipe `fast-94` on CIFAR-10, and one epoch of a textbook ResNet-18.

`python -m benchmarks.time_to_accuracy [--seeds 0 1 2] [--textbooks N] [--json FILE]`; they take turns, each
in a process of its own. Our time is the whole `train` stage's: start-up, augmentation and the curve on the
test split included. The textbook's is that of its steps alone, on images that are in memory.
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
        "--textbooks",
        type=int,
        metavar="N",
        help="textbook epochs between them; by default one after each seed",
    )
    parser.add_argument(
        "--textbook-images", type=int, default=CIFAR10, metavar="N", help="time these, and scale to an epoch"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()

    after = spread(options.textbooks or len(options.seeds), len(options.seeds))
    runs, textbooks = [], []
    with clone() as project:
        project.change(**with_recipe(load_params(), "fast-94").model_dump() | {"dataset": "cifar10"})
        for stage in ("download", "compute_mean_std", "find_lr"):
            project.run("python", "-m", f"stages.{stage}")
        for number, seed in enumerate(options.seeds):
            runs.append(measure(project, seed))
            print(", ".join(f"{key} {value:.4g}" for key, value in runs[-1].items()), flush=True)
            if number in after:
                textbooks.append(CIFAR10 / images_per_second("resnet18", 128, options.textbook_images))
                print(f"textbook epoch {textbooks[-1]:.4g} s", flush=True)
    ratio = mean(run["training_s"] for run in runs) / mean(textbooks)
    print(
        f"mean accuracy {mean(run['accuracy'] for run in runs):.2%} "
        f"({mean(run['accuracy_without_tta'] for run in runs):.2%} without test-time augmentation), "
        f"mean ratio {ratio:.2f}"
    )
    if options.json:
        content = {
            "runs": runs,
            "textbook_epochs_s": textbooks,
            "textbook_images": options.textbook_images,
            "ratio": ratio,
        }
        write_output(options.json, json.dumps(content, indent=2) + "\n")


def spread(some: int, among: int) -> set[int]:
    """Positions of some, as evenly as can be, among so many: one of three is the middle one."""
    return {int((number + 0.5) * among / some) for number in range(some)}


def measure(project: Clone, seed: int) -> dict[str, float]:
    """Accuracies and seconds of one seed."""
    project.change(seed=seed)
    ours = project.seconds("python", "-m", "stages.train")
    project.run("python", "-m", "stages.evaluate")
    test = json.loads((project.folder / artifacts.TEST_METRICS).read_text())
    return {
        "seed": seed,
        "accuracy": test["accuracy"],
        "accuracy_without_tta": test["accuracy_without_tta"],
        "training_s": ours,
    }


if __name__ == "__main__":
    run_main("benchmarks", main)
