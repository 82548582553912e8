"""Prints what the published recipes reached beside what was reported: `python -m recipes.results`.

Read from the experiments that are named like the recipes, as `recipes.enqueue` names them.
"""

import yaml
from tabulate import tabulate

from recipes import PUBLISHED
from src.artifacts import PARAMS, TEST_METRICS, TRAIN_METRICS, read_json
from src.command import run_main
from src.errors import InputError
from src.report.revision import files_of

COLUMNS = ("recipe", "reported", "reached", "training accuracy", "dataset", "epochs")


def row(recipe: str) -> list[str]:
    """Its line in the table; reported and reached are accuracies on the test images."""
    reported = "not stated" if PUBLISHED[recipe] is None else f"{PUBLISHED[recipe]:.2%}"
    try:
        with files_of(recipe, PARAMS, TEST_METRICS, TRAIN_METRICS) as folder:
            params = yaml.safe_load((folder / PARAMS).read_text(encoding="utf-8"))
            test, train = (read_json(folder / path) for path in (TEST_METRICS, TRAIN_METRICS))
    except InputError as error:
        several = "several experiments" in str(error)
        return [recipe, reported, "several: `dvc exp list --all-commits`" if several else "not run"]
    accuracies = [f"{test['accuracy']:.2%}", f"{train['train_accuracy']:.2%}"]
    return [recipe, reported, *accuracies, params["dataset"], params["epochs"]]


def main() -> None:
    print(tabulate([row(recipe) for recipe in PUBLISHED], COLUMNS, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    run_main("results", main)
