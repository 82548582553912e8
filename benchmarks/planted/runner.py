"""Runs the benchmark in steps that can be interrupted: `python -m benchmarks.planted STEP --folder F`.

`train` draws and trains sets, `find` lets all methods report, `heal` heals a spot that was found in each set,
at most ten, and compares; `score` prints tables of whatever is there. A set's results are in F: what has been
made is not made again, but for `find --again`.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from benchmarks.planted import tables
from benchmarks.planted.baselines import METHODS
from benchmarks.planted.finding import OURS, WITHHELD, TrainedSet, find, write
from benchmarks.planted.healing import follow_healed
from benchmarks.planted.scoring import score
from benchmarks.planted.sets import SCORING, TUNING, planted_set
from benchmarks.planted.training import train
from src import artifacts
from src.errors import InputError

SETS = {"tuning": TUNING, "scoring": SCORING}
ALL_METHODS = (OURS, WITHHELD, *METHODS)
HEALED = 10  # sets of which a spot is healed


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    torch.set_num_threads(1)
    seeds = options.seeds or SETS[options.sets]
    folder = options.folder.resolve()
    if options.step == "train":
        run_each(seeds, train_one, options.jobs, folder)
    elif options.step == "find":
        methods = tuple(options.methods or ALL_METHODS)
        run_each(seeds, find_one, options.jobs, folder, methods, options.fresh, options.again)
    elif options.step == "heal":
        run_each(to_heal(seeds, folder), heal_one, options.jobs, folder)
    else:
        print_scores(seeds, folder)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted", description=__doc__)
    parser.add_argument("step", choices=("train", "find", "heal", "score"))
    parser.add_argument("--folder", type=Path, required=True, metavar="F", help="outside the project")
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--sets", choices=tuple(SETS), help="which seeds")
    chosen.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="these")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="sets at once, a core each")
    parser.add_argument("--methods", nargs="+", choices=ALL_METHODS, metavar="NAME", help="with find")
    parser.add_argument("--fresh", action="store_true", help="find: look at reported spots on fresh images")
    parser.add_argument("--again", action="store_true", help="find: also where there are results")
    options = parser.parse_args(arguments)
    if options.folder.resolve().is_relative_to(Path.cwd()):
        parser.error(f"--folder: {options.folder} lies in the project; name one outside")
    return options


def run_each(seeds: Sequence[int], work: Callable[..., str], jobs: int, *rest: object) -> None:
    """Do the work for each seed in processes of their own; a line each as they are done."""
    problems = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=one_thread) as pool:
        waiting = {pool.submit(work, seed, *rest): seed for seed in seeds}
        for done in as_completed(waiting):
            try:
                print(f"{waiting[done]}: {done.result()}", flush=True)
            except Exception as error:
                problems.append(f"{waiting[done]}: {error}")
                print(problems[-1], flush=True)
    if problems:
        raise InputError(f"{len(problems)} of {len(seeds)} sets could not be done")


def one_thread() -> None:
    """What runs beside others shouldn't take their cores."""
    torch.set_num_threads(1)


def train_one(seed: int, folder: Path) -> str:
    kept = train(planted_set(seed), folder)
    return (kept / "log.txt").read_text().splitlines()[-1]


def find_one(seed: int, folder: Path, methods: Sequence[str], with_fresh: bool, again: bool) -> str:
    planted, path = planted_set(seed), folder / f"{seed:04}.json"
    if not (folder / planted.name).exists():
        raise InputError(f"{folder / planted.name}: missing; train the set first")
    known = json.loads(path.read_text())["methods"] if path.exists() and not again else {}
    missing = [name for name in methods if name not in known]
    if missing:
        write(path, find(TrainedSet(planted, folder / planted.name), missing, with_fresh))
    content = json.loads(path.read_text())
    blind = sum(spot["blind"] for spot in content["learned"])
    found = ", ".join(
        f"{name} {len(method['groups'])}" for name, method in content["methods"].items() if "spots" in method
    )
    return f"{blind} of {len(content['spots'])} planted spots are blind; reported: {found}"


def to_heal(seeds: Sequence[int], folder: Path) -> list[int]:
    """The first sets in which a blind spot was found."""
    contents = tables.read(folder, seeds)
    return [content["seed"] for content in contents if first_found(content) is not None][:HEALED]


def first_found(content: dict) -> int | None:
    """Position of the first planted spot that is blind and that ours covers; None where there is none."""
    images = content["images"]
    inside = tables.masks([spot["images"] for spot in content["learned"]], images)
    groups = tables.masks(content["methods"][OURS]["groups"], images)
    for number, spot in enumerate(content["learned"]):
        if spot["blind"] and score(groups, inside, np.arange(len(inside)) == number).covered:
            return number
    return None


def heal_one(seed: int, folder: Path) -> str:
    spot = first_found(tables.read(folder, [seed])[0])
    assert spot is not None
    planted = planted_set(seed)
    path = folder / f"{planted.heal(spot).name}.json"
    if not path.exists():
        content = follow_healed(TrainedSet(planted, folder / planted.name), spot, folder)
        with artifacts.atomic_file(path) as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")
    return f"spot {spot + 1} healed"


def print_scores(seeds: Sequence[int], folder: Path) -> None:
    contents = tables.read(folder, seeds)
    parts = {
        "Planted spots": tables.planted_spots(contents),
        "Reported spots": tables.reported_spots(contents),
        "Sets with spots": tables.with_spots(contents),
        "The same, spots as planted": tables.with_spots(contents, "spots"),
        "Sets without": tables.without_spots(contents),
        "Intervals, on fresh images": tables.intervals(contents),
        "Healed": tables.healed(folder, seeds),
    }
    print(f"{len(contents)} of {len(seeds)} sets")
    for title, table in parts.items():
        if len(table):
            print(f"\n{title}\n{tabulate(table, headers='keys', showindex=False, floatfmt='.3g')}")
