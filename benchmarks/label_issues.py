"""How well label issues are ranked, by what people saw.

`python -m benchmarks.label_issues VERDICTS [REVISION]`. VERDICTS is a CSV file with the columns `index` (in
the test split), `given` (the label), and `votes_given`, `votes_guessed`, `votes_both`, `votes_neither`: how
many of those who were shown the image chose the label, another class, both, or neither. A label counts as
wrong where fewer than half chose it, as in Northcutt, Athalye & Mueller, "Pervasive Label Errors in Test Sets
Destabilize Machine Learning Benchmarks", 2021. The figures are about the order among these images.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues as find_by_confident_learning
from cleanlab.rank import get_label_quality_scores
from sklearn.metrics import average_precision_score
from tabulate import tabulate

from src import schema
from src.command import run_main
from src.errors import InputError
from src.evaluation.label_issues import find_label_issues, label_quality
from src.evaluation.predictions import Predictions
from src.report.revision import WORKSPACE
from src.report.run import read_run

VOTES = ("votes_given", "votes_guessed", "votes_both", "votes_neither")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_issues")
    parser.add_argument("verdicts", type=Path, metavar="VERDICTS", help="what people saw, a CSV file")
    parser.add_argument(
        "revision", nargs="?", default=WORKSPACE, metavar="REVISION", help="of the predictions"
    )
    options = parser.parse_args(arguments)
    predictions = read_run(options.revision).predictions
    indices, wrong = read_verdicts(options.verdicts, predictions)
    print(f"{len(indices)} images judged, {wrong.sum()} labels wrong")
    print(tabulate(compare(predictions, indices, wrong), headers="keys", showindex=False, floatfmt=".3f"))


def read_verdicts(path: Path, predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the test split, int64 (N,), and whether people found the label wrong, bool (N,).

    Raises:
        InputError: the file is missing or no such table, or about other images or labels.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    texts = schema.read_texts(path)
    if missing := {"index", "given", *VOTES} - set(texts):
        raise InputError(f"{path}: has no column {min(missing)!r}")
    try:
        table = texts.astype(dict.fromkeys(("index", *VOTES), np.int64))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    for row, (index, given) in enumerate(zip(table["index"], table["given"], strict=True), 1):
        if not 0 <= index < len(predictions.actual):
            raise InputError(f"{path}: row {row}: the test split has no image {index}")
        label = predictions.classes[predictions.actual[index]]
        if given != label:
            raise InputError(f"{path}: row {row}: image {index} is labeled {label!r} here, not {given!r}")
    votes = table[list(VOTES)]
    return table["index"].to_numpy(), (2 * votes["votes_given"] < votes.sum(axis=1)).to_numpy()


def compare(predictions: Predictions, indices: np.ndarray, wrong: np.ndarray) -> pd.DataFrame:
    """Our ranking and list beside cleanlab's own, by default, of the same predictions.

    Args:
        predictions: of the whole test split.
        indices: int64 (N,), the images that were judged.
        wrong: bool (N,), what came of it.

    Returns:
        By ranking: `precision`, the share of wrong labels among the N ranked first, N being the number of
        wrong labels; `average precision`; and of the images listed, how many were judged, how many of those
        have a wrong label, and what share that is.
    """
    labels, probabilities = predictions.actual, predictions.probabilities
    rankings = {
        "ours": (label_quality(predictions), find_label_issues(predictions)["index"].to_numpy()),
        "cleanlab's default": (
            get_label_quality_scores(labels, probabilities),
            np.flatnonzero(find_by_confident_learning(labels, probabilities, n_jobs=1)),
        ),
    }
    verdicts = dict(zip(indices.tolist(), wrong.tolist(), strict=True))
    rows = []
    for name, (quality, listed) in rankings.items():
        first = np.argsort(quality[indices], kind="stable")[: wrong.sum()]
        judged = [verdicts[index] for index in listed.tolist() if index in verdicts]
        rows.append(
            {
                "ranking": name,
                "precision": wrong[first].mean(),
                "average precision": average_precision_score(wrong, -quality[indices]),
                "listed": len(listed),
                "of those judged": len(judged),
                "and wrong": sum(judged),
                "share": np.mean(judged) if judged else np.nan,
            }
        )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    run_main("benchmarks", main)
