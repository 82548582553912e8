"""Looks for wrong labels among the training images, where `label_issues: true` asks for it."""

from pathlib import Path

import numpy as np
import pandas as pd

from src import artifacts, schema
from src.command import run_main
from src.data.corrections import without_confirmed
from src.data.dataset import Dataset, load_dataset, read_files
from src.data.mean_std import load_mean_std
from src.params import Params, load_params

MOST = 1_000  # images listed: their pixels are kept as well


def main() -> None:
    dataset = load_dataset()
    params = load_params(facts=dataset.facts)
    if params.label_issues:
        find(params, dataset)
        return
    write(pd.DataFrame(columns=list(schema.TRAIN_LABEL_ISSUES.columns)), dataset)
    print("training labels not checked: label_issues is false")


def find(params: Params, dataset: Dataset) -> None:
    """Have all training images judged by models that have not seen them; write the doubtful ones."""
    # Here, because torch takes seconds to import, and there may be nothing to do.
    from src.cross_validation import FOLDS, CrossValidation
    from src.evaluation.label_issues import find_label_issues
    from src.evaluation.predictions import Predictions
    from src.launch import done_in_several
    from src.ranks import OURS
    from src.training.setup import with_chosen_lr

    if done_in_several("find_label_issues", params):
        return
    images = len(dataset.train)
    print(
        f"training labels: {params.model} trains {FOLDS} times, each time on {FOLDS - 1} of {FOLDS} parts of "
        f"the {images:,} images; in all this takes {FOLDS - 1} times as long as the train stage",
        flush=True,
    )
    validation = CrossValidation(with_chosen_lr(params), Path(__file__))
    probabilities, judged = validation.judge(dataset, load_mean_std())
    if OURS.rank:  # the first of several processes writes
        return
    positions = np.flatnonzero(judged)
    table = read_files("train")
    files = np.full(images, "", object) if table is None else table["file"].to_numpy(object)
    predictions = Predictions.from_probabilities(
        dataset.train.labels[positions], probabilities[positions], dataset.classes, files[positions].tolist()
    )
    issues = find_label_issues(predictions, schema.read_table(schema.DUPLICATES), "train")
    index = positions[issues["index"]]
    issues = without_confirmed(issues.assign(index=index, file=files[index]), "train")
    write(issues[:MOST], dataset)
    validation.tidy()
    right = predictions.right.mean()
    print(
        f"{len(issues):,} of {images:,} training labels worth checking; "
        f"these models agree with {right:.2%} of all"
    )


def write(issues: pd.DataFrame, dataset: Dataset) -> None:
    """Write the table, and the images in its order."""
    schema.write_table(schema.TRAIN_LABEL_ISSUES, issues)
    pixels = dataset.train.images[issues["index"].to_numpy(np.int64)]
    artifacts.write_array(artifacts.TRAIN_LABEL_ISSUE_IMAGES, pixels)


if __name__ == "__main__":
    run_main("find_label_issues", main)
