"""Finds groups of test images that the model gets wrong, and that can be told in words."""

import csv

import numpy as np
import pandas as pd

from src import artifacts, schema
from src.blindspots.account import account_for
from src.blindspots.attributes import aspects, measure
from src.blindspots.files import write_blindspots
from src.blindspots.findings import Findings, find_blindspots
from src.blindspots.gallery import save_blindspots
from src.blindspots.own_columns import own_columns
from src.blindspots.words import Words
from src.command import run_main
from src.data.dataset import Dataset, load_dataset, read_files
from src.evaluation.predictions import read_predictions
from src.params import load_params


def main() -> None:
    params = load_params()
    dataset = load_dataset()
    count = len(dataset.test)
    predictions = read_predictions(dataset.classes, count)
    heatmaps = artifacts.read_array(artifacts.HEATMAPS, np.uint8, (count, None, None))
    embeddings = np.array(artifacts.read_array(artifacts.EMBEDDINGS, np.float16, (count, None)))
    label_issues = schema.read_table(schema.LABEL_ISSUES, dataset.classes)

    numbers, metadata = describe(dataset, "test", heatmaps)
    words = Words.fit(numbers, metadata)
    attributes = words.of(numbers, metadata)
    write_attributes(attributes)
    findings = find_blindspots(
        attributes, embeddings, predictions.actual, predictions.right, dataset.classes, params.seed
    )
    blindspots = account_for(
        findings,
        predictions,
        embeddings,
        set(label_issues["index"].tolist()),
        count_training_images(findings, words, numbers, dataset),
    )
    write_blindspots(blindspots)
    save_blindspots(artifacts.BLINDSPOT_GALLERY, blindspots, dataset.test.images, heatmaps, predictions)
    print(blindspots.headline)
    for number, spot in enumerate(blindspots.spots, 1):
        print(f"{number}: {spot.sentence}: {spot.in_words}")


def describe(
    dataset: Dataset, part: str, heatmaps: np.ndarray | None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """What can be measured on the images of a part, and what the user's table says about them."""
    numbers = measure(dataset.splits[part].images, heatmaps)
    files = read_files(part)
    if files is None:
        return numbers, None
    others = read_files("train" if part == "test" else "test")
    assert others is not None
    original = aspects(files[["width", "height"]].to_numpy(np.float64))
    return pd.concat([numbers, original], axis=1), own_columns(files, others)


def count_training_images(
    findings: Findings, words: Words, tested: pd.DataFrame, dataset: Dataset
) -> list[int]:
    """Of each spot, how many training images its rule holds for.

    Args:
        findings: the spots.
        words: fitted on the test images.
        tested: what was measured on those.
        dataset: of both.
    """
    if not findings.spots:
        return []
    numbers, own = describe(dataset, "train", None)
    # There are no heatmaps of training images; what they say is part of no rule.
    attributes = words.of(numbers.reindex(columns=list(tested)), own)
    return [
        int(spot.rule.members(attributes, dataset.train.labels, dataset.classes).sum())
        for spot in findings.spots
    ]


def write_attributes(attributes: pd.DataFrame) -> None:
    """A row an image; empty where an attribute can't be told."""
    table = attributes.astype(object).where(attributes.notna(), "")
    table.insert(0, "index", np.arange(len(table)), allow_duplicates=True)
    with artifacts.atomic_file(artifacts.ATTRIBUTES) as temporary:
        # Quoted, so that a line break in the user's table does no harm.
        table.to_csv(
            temporary, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC, encoding="utf-8"
        )


if __name__ == "__main__":
    run_main("find_blindspots", main)
