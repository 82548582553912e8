"""Runs an experiment with several seeds: `python -m src.seeds NAME SEEDS [-S KEY=VALUE …]`.

The experiments are called NAME-seed0, NAME-seed1 and so on, and run one after the other in a copy of the
project. The same command continues where an interrupted one stopped.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from src import artifacts
from src.command import run_main
from src.copies import require_possible
from src.download.names import counted
from src.errors import GIT, InputError, border
from src.overrides import params_with
from src.params_file import flatten, read_mapping
from src.report.groups import SEED, read_group
from src.report.revision import Revision, is_revision

# What shapes a result beside the parameters, as far as git has it.
CODE_AND_DATA = ("dvc.yaml", "src", "stages", "data")
EXAMPLE = "for example: make seeds NAME=base SEEDS=0,1,2 FLAGS='-S epochs=24'"


def main(arguments: list[str] | None = None) -> None:
    name, seeds, changes = _read(arguments)
    require_possible()
    wanted = params_with(changes)
    names = [f"{name}-{SEED}{seed}" for seed in seeds]
    finished = [one for one in names if _is_finished(one, wanted)]
    for one, seed in zip(names, seeds, strict=True):
        if one in finished:
            print(f"{one}: finished already", flush=True)
            continue
        print(f"{one}: starts", flush=True)
        flags = [part for change in (*changes, f"{SEED}={seed}") for part in ("-S", change)]
        command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", one, *flags]
        if subprocess.run(command, check=False).returncode:
            raise InputError(f"{one}: not finished, see above; the same command continues from here")
    group = read_group(",".join(names))
    accuracies = group.right.mean(1)
    spread = f" ± {accuracies.std(ddof=1):.2%}" if len(names) > 1 else ""
    count = counted(len(names), "seed")
    print(f"{name}: test accuracy {accuracies.mean():.2%}{spread}, {count}; to compare it:")
    print(f"python -m src.compare OTHER {name} --html")


def _read(arguments: list[str] | None) -> tuple[str, list[int], list[str]]:
    """Name, seeds and changes of parameters, from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m src.seeds", description="Runs an experiment with several seeds.", exit_on_error=False
    )
    parser.add_argument(
        "name", metavar="NAME", nargs="?", default="", help="what the experiments' names begin with"
    )
    parser.add_argument("seeds", metavar="SEEDS", nargs="?", default="0,1,2", help="default: 0,1,2")
    parser.add_argument(
        "-S", "--set-param", action="append", default=[], metavar="KEY=VALUE", help="as for `dvc exp run`"
    )
    try:
        options, unknown = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise InputError(f"FLAGS: {error}; {EXAMPLE}") from error
    if unknown:
        raise InputError(f"FLAGS: should be like -S epochs=24, not {' '.join(unknown)!r}; {EXAMPLE}")
    if not re.fullmatch(r"\w[\w.-]*", options.name):
        raise InputError(f"NAME: should be letters, digits and - . _, not {options.name!r}; {EXAMPLE}")
    if is_revision(options.name):
        raise InputError(f"NAME: {options.name!r} is a branch, tag or experiment already; choose another")
    listed = options.seeds.split(",")
    if not all(re.fullmatch(r"\d{1,9}", seed) for seed in listed) or len({*map(int, listed)}) < len(listed):
        raise InputError(f"SEEDS: should be different numbers like 0,1,2, not {options.seeds!r}")
    if any(change.removeprefix("params.yaml:").startswith(f"{SEED}=") for change in options.set_param):
        raise InputError(f"FLAGS: sets {SEED}, which SEEDS is for; {EXAMPLE}")
    return options.name, [int(seed) for seed in listed], options.set_param


def _is_finished(name: str, wanted: dict[str, object]) -> bool:
    """Whether an experiment is there.

    Raises:
        InputError: it is another one, with other parameters, code or data.
    """
    if not is_revision(name):
        return False
    revision = Revision(name)
    with tempfile.TemporaryDirectory(prefix="blindspot-") as folder:
        revision.copy([artifacts.PARAMS], Path(folder))
        params = dict(flatten(read_mapping(Path(folder) / artifacts.PARAMS)))
    keys = sorted({*params, *wanted} - {SEED})
    different = [key for key in keys if params.get(key) != wanted.get(key)]
    remedy = f"choose another NAME, or remove it: `dvc exp remove {name}`"
    if different:
        key = different[0]
        values = f"{params.get(key)!r} instead of {wanted.get(key)!r}"
        raise InputError(f"{name}: was run with another {key}, {values}; {remedy}")
    difference = ["git", "diff", "--name-only", "--relative", revision.commit, "--", *CODE_AND_DATA]
    with border(*GIT):
        changed = subprocess.run(difference, capture_output=True, text=True, check=True).stdout.splitlines()
    if changed:
        raise InputError(f"{name}: was run before {changed[0]} was changed; {remedy}")
    return True


if __name__ == "__main__":
    run_main("seeds", main)
