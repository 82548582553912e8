"""Prints what the published recipes reached beside what was reported: `python -m recipes.results`.

Read from the experiments that are named like the recipes, as `recipes.enqueue` names them.
"""

from dvc.api import metrics_show, params_show
from dvc.exceptions import DvcException
from dvc.scm import SCMError
from tabulate import tabulate

from recipes import PUBLISHED
from src.command import run_main
from src.errors import GIT, border

COLUMNS = ("recipe", "reported", "reached", "training accuracy", "dataset", "epochs")


@border(*GIT)
def row(recipe: str) -> list[str]:
    """Its line in the table; reported and reached are accuracies on the test images."""
    reported = "not stated" if PUBLISHED[recipe] is None else f"{PUBLISHED[recipe]:.2%}"
    try:
        params = params_show(rev=recipe)
        test, train = (metrics_show(f"metrics/{name}.json", rev=recipe) for name in ("test", "train"))
    except (DvcException, SCMError, FileNotFoundError) as error:
        several = "ambiguous" in str(error)
        return [recipe, reported, "several: `dvc exp list --all-commits`" if several else "not run"]
    accuracies = [f"{test['accuracy']:.2%}", f"{train['train_accuracy']:.2%}"]
    return [recipe, reported, *accuracies, params["dataset"], params["epochs"]]


def main() -> None:
    print(tabulate([row(recipe) for recipe in PUBLISHED], COLUMNS, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    run_main("results", main)
