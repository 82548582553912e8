"""What each method reports on a set that has been trained, as one JSON file."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.planted.baselines import METHODS
from benchmarks.planted.fresh import FreshPart
from benchmarks.planted.scoring import as_learned, blind_spots
from benchmarks.planted.sets import PlantedSet, PlantedSpot
from benchmarks.planted.training import test_order
from src import artifacts
from src.blindspots.attributes import measure
from src.blindspots.findings import Findings, find_blindspots
from src.blindspots.own_columns import own_columns
from src.blindspots.words import Words
from src.data.dataset import Dataset, load_dataset, read_files
from src.evaluation.predictions import Predictions, read_predictions

OURS, WITHHELD = "ours", "ours, metadata withheld"


@dataclass(frozen=True)
class TrainedSet:
    """A set with what the pipeline has written about it; images are in the order of its test split.

    Attributes:
        planted: the set.
        kept: the folder that `training.train` has made.
    """

    planted: PlantedSet
    kept: Path

    @cached_property
    def dataset(self) -> Dataset:
        return load_dataset(self.kept / artifacts.DATASET)

    @cached_property
    def predictions(self) -> Predictions:
        return read_predictions(self.dataset.classes, len(self.dataset.test), self.kept)

    @cached_property
    def embeddings(self) -> np.ndarray:
        """float16 (N, features)."""
        return np.array(artifacts.read_array(self.kept / artifacts.EMBEDDINGS, np.float16, (None, None)))

    @cached_property
    def heatmaps(self) -> np.ndarray:
        """uint8 (N, h, w)."""
        return artifacts.read_array(self.kept / artifacts.HEATMAPS, np.uint8, (None, None, None))

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """What is measured on the test images."""
        return measure(self.dataset.test.images, self.heatmaps)

    @cached_property
    def metadata(self) -> pd.DataFrame:
        """The set's own attributes, as anybody's columns."""
        test, train = (read_files(part, self.kept / artifacts.DATASET) for part in ("test", "train"))
        assert test is not None
        assert train is not None
        columns = own_columns(test, train)
        assert columns is not None
        return columns

    @cached_property
    def table(self) -> pd.DataFrame:
        """What was drawn, a row an image."""
        return self.planted.table("test").iloc[test_order(self.kept)].reset_index(drop=True)

    @cached_property
    def inside(self) -> np.ndarray:
        """Which images are in which spot as planted, bool (spots, N)."""
        return self.members(self.planted.spots)

    @cached_property
    def learned(self) -> tuple[PlantedSpot, ...]:
        """The spots as the model has learned them."""
        often = self.inside.sum(0)
        return tuple(
            as_learned(spot, self.table, self.wrong, often > members)
            for spot, members in zip(self.planted.spots, self.inside, strict=True)
        )

    @cached_property
    def inside_learned(self) -> np.ndarray:
        """Which images are in which of those, bool (spots, N)."""
        return self.members(self.learned)

    def members(self, spots: Sequence[PlantedSpot]) -> np.ndarray:
        """Which images are in which spot, bool (spots, N)."""
        masks = [spot.members(self.table) for spot in spots]
        return np.array(masks, bool).reshape(len(spots), len(self.table))

    @property
    def wrong(self) -> np.ndarray:
        """The model's mistakes, bool (N,)."""
        return ~self.predictions.right

    def find(self, metadata: bool) -> tuple[Findings, Words]:
        """What the stage would find, with the metadata or without."""
        own = self.metadata if metadata else None
        words = Words.fit(self.numbers, own)
        findings = find_blindspots(
            words.of(self.numbers, own),
            self.embeddings,
            self.predictions.actual,
            self.predictions.right,
            self.dataset.classes,
            self.planted.seed,
        )
        return findings, words


def find(trained: TrainedSet, methods: Sequence[str], with_fresh: bool) -> dict[str, Any]:
    """Everything that scoring takes, for JSON.

    Args:
        trained: the set.
        methods: names, of `OURS`, `WITHHELD` and `METHODS`.
        with_fresh: whether reported spots are also looked at on fresh images.
    """
    wrong = trained.wrong
    rest = ~trained.inside_learned.any(0)
    content: dict[str, Any] = {
        "seed": trained.planted.seed,
        "images": len(wrong),
        "wrong": np.flatnonzero(wrong).tolist(),
        "rest_error": float(wrong[rest].mean()),
        "spots": _planted(trained.planted.spots, trained.inside, wrong),
        "learned": _planted(trained.learned, trained.inside_learned, wrong),
        "methods": {},
    }
    fresh = FreshPart(trained.planted, trained.kept) if with_fresh else None
    for name in methods:
        started = time.process_time()
        if name in METHODS:
            predictions = trained.predictions
            groups = METHODS[name](
                trained.embeddings.astype(np.float64),
                predictions.probabilities.astype(np.float64),
                predictions.actual,
                trained.planted.seed,
            )
            reported: dict[str, Any] = {}
        else:
            findings, words = trained.find(metadata=name == OURS)
            groups = np.array([spot.members for spot in findings.spots]).reshape(-1, len(wrong))
            reported = {"tested": findings.tested, "spots": _spots(findings, words, trained, fresh)}
        content["methods"][name] = {
            "groups": [np.flatnonzero(group).tolist() for group in groups],
            "cpu_seconds": round(time.process_time() - started, 1),
            **reported,
        }
    return content


def write(path: Path, content: dict[str, Any]) -> None:
    """Atomically; methods that are in the file already and not in the content stay."""
    if path.exists():
        content["methods"] = json.loads(path.read_text())["methods"] | content["methods"]
    with artifacts.atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")


def _planted(spots: Sequence[PlantedSpot], inside: np.ndarray, wrong: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "conditions": spot.conditions,
            "cause": spot.cause,
            "images": np.flatnonzero(members).tolist(),
            "error": float(wrong[members].mean()) if members.any() else 0.0,
            "blind": bool(blind),
        }
        for spot, members, blind in zip(spots, inside, blind_spots(inside, wrong), strict=True)
    ]


def _spots(
    findings: Findings, words: Words, trained: TrainedSet, fresh: FreshPart | None
) -> list[dict[str, Any]]:
    entries = []
    for spot in findings.spots:
        entry: dict[str, Any] = {
            "sentence": spot.rule.sentence(),
            "conditions": spot.rule.conditions,
            "actual": spot.rule.actual,
            "found_by": spot.found_by,
            "images": spot.images,
            "wrong": spot.wrong,
            "low": spot.low,
            "high": spot.high,
            "rest_error": spot.rest_error,
            "p": spot.p,
        }
        if fresh is not None:
            members = fresh.members(spot.rule, words)
            wrong = fresh.wrong[members]
            entry["fresh"] = {"images": int(members.sum()), "wrong": int(wrong.sum())}
        entries.append(entry)
    return entries
