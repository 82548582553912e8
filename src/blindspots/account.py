"""What is told of each blind spot that was found: figures, examples, and images like these that are right."""

from collections.abc import Set

import numpy as np
import pandas as pd

from src import schema
from src.blindspots.files import BlindSpots, SpotFigures
from src.blindspots.findings import Findings, Spot
from src.evaluation.predictions import Predictions

EXAMPLES, COUNTERPARTS = 12, 4  # images of each spot that are shown


def account_for(
    findings: Findings,
    predictions: Predictions,
    embeddings: np.ndarray,
    label_issues: Set[int],
    train_images: list[int],
) -> BlindSpots:
    """Arrange what was found for files and pages.

    Args:
        findings: about N test images.
        predictions: of the model, N.
        embeddings: float (N, features).
        label_issues: positions of the test images whose labels are worth checking.
        train_images: of each spot, how many training images are like it.
    """
    spots = tuple(
        _figures(spot, predictions, embeddings, label_issues, count)
        for spot, count in zip(findings.spots, train_images, strict=True)
    )
    return BlindSpots(
        spots,
        _members(findings, predictions),
        len(predictions.actual),
        findings.tested,
        findings.detectable.all_wrong,
        findings.detectable.half_wrong,
    )


def _figures(
    spot: Spot,
    predictions: Predictions,
    embeddings: np.ndarray,
    label_issues: Set[int],
    train_images: int,
) -> SpotFigures:
    wrong = np.flatnonzero(spot.members & ~predictions.right)
    examples = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")][:EXAMPLES]
    answers, times = np.unique(predictions.predicted[wrong], return_counts=True)
    order = np.argsort(-times, kind="stable")
    return SpotFigures(
        spot.rule.sentence(),
        spot.rule.conditions,
        spot.rule.actual,
        spot.found_by,
        int(spot.images),
        int(spot.wrong),
        float(spot.error),
        float(spot.low),
        float(spot.high),
        int(spot.rest_images),
        int(spot.rest_wrong),
        float(spot.rest_error),
        float(spot.p),
        int(spot.members.sum()),
        len(wrong),
        tuple((predictions.classes[answers[at]], int(times[at])) for at in order),
        train_images,
        len(label_issues & set(np.flatnonzero(spot.members).tolist())),
        tuple(examples.tolist()),
        tuple(counterparts(examples, spot.members, predictions, embeddings)),
    )


def counterparts(
    examples: np.ndarray, members: np.ndarray, predictions: Predictions, embeddings: np.ndarray
) -> list[int]:
    """Images like these that are right: of each example the nearest one outside of the spot, of its class.

    Args:
        examples: int64, positions of wrong images.
        members: bool (N,), the whole spot.
        predictions: N.
        embeddings: float (N, features); nearest is by Euclidean distance.

    Returns:
        Positions, each once, up to `COUNTERPARTS`; fewer where the classes have no more.
    """
    free = predictions.right & ~members
    chosen: list[int] = []
    for example in examples.tolist():
        candidates = np.flatnonzero(free & (predictions.actual == predictions.actual[example]))
        if not len(candidates) or len(chosen) == COUNTERPARTS:
            continue
        to_here = embeddings[candidates].astype(np.float32) - embeddings[example].astype(np.float32)
        nearest = int(candidates[np.linalg.norm(to_here, axis=1).argmin()])
        chosen.append(nearest)
        free[nearest] = False
    return chosen


def _members(findings: Findings, predictions: Predictions) -> pd.DataFrame:
    """`schema.BLINDSPOTS`."""
    answers = predictions.frame()[["index", "file", "actual", "predicted"]]
    parts = [answers.iloc[:0].assign(spot=0, confirming=False)]
    for number, spot in enumerate(findings.spots, 1):
        inside = np.flatnonzero(spot.members)
        parts.append(answers.iloc[inside].assign(spot=number, confirming=spot.confirming[inside]))
    table = pd.concat(parts, ignore_index=True).astype({"confirming": bool, "spot": np.int64})
    return table[list(schema.BLINDSPOTS.columns)]
