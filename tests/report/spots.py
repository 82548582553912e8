"""Runs with blind spots, without a search that found them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from src.blindspots.files import BlindSpots, SpotFigures
from src.evaluation.predictions import Predictions
from src.report.run import Run
from tests.report.runs import make_run

CLASSES = ("cat", "dog")


class Given(NamedTuple):
    """A spot: positions of its images, those that confirmed it among them, and its class if it has one."""

    members: Sequence[int]
    confirming: Sequence[int]
    actual: str | None = None
    sentence: str = "any class: the picture is dark"


def run(
    name: str, wrong: Sequence[int], spots: Sequence[Given] | None = (), size: int = 1000, **changes
) -> Run:
    """Of cats, and of dogs in the second half of the images, with these wrong; None: spots not looked for."""
    actual = (np.arange(size) >= size // 2).astype(int)
    answers = actual.copy()
    answers[list(wrong)] = 1 - actual[list(wrong)]
    predictions = Predictions.from_probabilities(actual, 0.1 + 0.8 * np.eye(2)[answers], CLASSES)
    made = make_run(name, predictions, **changes)
    return made if spots is None else with_spots(made, spots)


def with_spots(run: Run, spots: Sequence[Given]) -> Run:
    """The run with these, and with the figures that follow from its answers."""
    answers = run.predictions.frame()[["index", "file", "actual", "predicted"]]
    parts = [
        answers.iloc[list(spot.members)].assign(
            spot=number, confirming=np.isin(list(spot.members), list(spot.confirming))
        )
        for number, spot in enumerate(spots, 1)
    ]
    empty = answers.iloc[:0].assign(spot=0, confirming=False)
    members = pd.concat([empty, *parts], ignore_index=True).astype({"confirming": bool, "spot": int})
    figures = tuple(_figures(run.predictions, spot) for spot in spots)
    return replace(run, blindspots=BlindSpots(figures, members, len(answers), 12, 30, 66))


def _figures(predictions: Predictions, spot: Given) -> SpotFigures:
    members, confirming = np.array(spot.members), np.array(spot.confirming)
    wrong = members[~predictions.right[members]]
    outside = np.setdiff1d(np.flatnonzero(predictions.right), members)
    count = int((~predictions.right[confirming]).sum())
    return SpotFigures(
        spot.sentence,
        (("brightness", "dark"),),
        spot.actual,
        "attributes",
        len(confirming),
        count,
        count / len(confirming),
        0.63,
        0.9,
        400,
        20,
        0.05,
        1e-9,
        len(members),
        len(wrong),
        (("dog", len(wrong)),),
        7,
        1,
        tuple(wrong[:12].tolist()),
        tuple(outside[:4].tolist()),
    )
