"""What a page knows of blind spots: their images, and which of them it shows beside their sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.blindspots.files import BlindSpots
from src.report.comparison import Comparison
from src.report.run import Run


@dataclass(frozen=True)
class ShownSpot:
    """A blind spot on a page.

    Attributes:
        number: from 1, in the order of the page.
        title: what the gallery calls it.
        members: int64, positions of its images.
        examples, counterparts: positions of images beside its sentence; see `SpotFigures`.
    """

    number: int
    title: str
    members: np.ndarray
    examples: tuple[int, ...] = ()
    counterparts: tuple[int, ...] = ()


def of_run(run: Run) -> list[ShownSpot]:
    """All of a run's, with images."""
    spots = run.blindspots
    if spots is None:
        return []
    return [
        ShownSpot(
            number,
            f"{number}. {spot.sentence}",
            spots.images_of(number),
            spot.examples,
            spot.counterparts,
        )
        for number, spot in enumerate(spots.spots, 1)
    ]


def of_comparison(comparison: Comparison) -> list[ShownSpot]:
    """Those that were followed."""
    sides: dict[str, BlindSpots | None] = {"a": comparison.a.blindspots, "b": comparison.b.blindspots}
    return [
        ShownSpot(number, f"{spot.label}: {spot.figures.sentence}", spots.images_of(spot.spot))
        for number, spot in enumerate(comparison.blindspots.spots, 1)
        if (spots := sides[spot.side]) is not None
    ]


def first(spots: Sequence[ShownSpot], candidates: Sequence[int]) -> list[int]:
    """The images of a page, those beside sentences before the other candidates."""
    beside = [index for spot in spots for index in (*spot.examples, *spot.counterparts)]
    return list(dict.fromkeys([*beside, *candidates]))


def shown(spots: Sequence[ShownSpot], images: np.ndarray) -> list[dict[str, Any]]:
    """For the page's scripts.

    Args:
        spots: which.
        images: int64, positions of those that the page has room for.
    """
    there = set(images.tolist())
    return [
        {
            "number": spot.number,
            "title": spot.title,
            "members": [index for index in spot.members.tolist() if index in there],
            "examples": [index for index in spot.examples if index in there],
            "counterparts": [index for index in spot.counterparts if index in there],
        }
        for spot in spots
    ]
