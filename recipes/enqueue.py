"""Queues the published recipes: `python -m recipes.enqueue [flags]`, then `dvc queue start`.

Flags are those of `dvc exp run` and hold for all of them, e.g. `-S dataset=sample -S epochs=6`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from recipes import PUBLISHED
from src.command import run_main
from src.copies import require_possible
from src.errors import InputError
from src.overrides import check_keys


def main() -> None:
    flags = sys.argv[1:]
    check(flags)
    require_possible()
    refused = []
    for name in PUBLISHED:
        recipe = Path("recipes", name).read_text(encoding="utf-8").split()
        queue = [sys.executable, "-m", "dvc", "exp", "run", "--queue", "--name", name]
        if subprocess.run([*queue, *recipe, *flags], check=False).returncode:
            refused.append(name)
    if refused:
        raise InputError(f"{', '.join(refused)}: not queued; see DVC's message above")
    print("`dvc queue start` runs them, `python -m recipes.results` shows what they reach")


def check(flags: list[str]) -> None:
    """Refuse a misspelled parameter once; DVC would do it for each recipe.

    Raises:
        InputError: the flags set a parameter that params.yaml does not have.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-S", "--set-param", action="append", default=[])
    check_keys(parser.parse_known_args(flags)[0].set_param)


if __name__ == "__main__":
    run_main("enqueue", main)
