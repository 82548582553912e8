"""Blind spots as the stage writes them and as reports read them: a table of images, and figures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from src import artifacts, schema
from src.errors import InputError


@dataclass(frozen=True)
class SpotFigures:
    """What is known of a blind spot.

    All counts from `images` to `p_value` are of the half of the test images that confirmed it.

    Attributes:
        sentence: "dark pictures of dog".
        conditions: attribute and word, up to three.
        actual: the class it is about; None: images of any.
        found_by: `attributes` or `embeddings`.
        images, wrong, error: its images, how many are wrong, and the share.
        low, high: interval of the share, adjusted for the number of spots.
        rest_images, rest_wrong, rest_error: the same of the images it is compared with.
        p_value: adjusted for all that was tested.
        members, members_wrong: its images in both halves.
        taken_for: class and images, what the wrong ones are taken for, most frequent first.
        train_images: training images that are like this.
        label_issues: images in it whose labels are worth checking.
        examples: positions of wrong images to show, the most confident first.
        counterparts: positions of similar images of the same classes that are right and outside.
    """

    sentence: str
    conditions: tuple[tuple[str, str], ...]
    actual: str | None
    found_by: str
    images: int
    wrong: int
    error: float
    low: float
    high: float
    rest_images: int
    rest_wrong: int
    rest_error: float
    p_value: float
    members: int
    members_wrong: int
    taken_for: tuple[tuple[str, int], ...]
    train_images: int
    label_issues: int
    examples: tuple[int, ...]
    counterparts: tuple[int, ...]

    @property
    def in_words(self) -> str:
        """ "41 of 52 wrong, at least 63% (elsewhere 5%)"."""
        return (
            f"{self.wrong:,} of {self.images:,} wrong, at least {self.low:.0%} "
            f"(elsewhere {percent(self.rest_error)})"
        )


@dataclass(frozen=True)
class BlindSpots:
    """All that the search found on a test split.

    Attributes:
        spots: those that were confirmed; spot 1 is the first.
        members: `schema.BLINDSPOTS`.
        total: test images.
        tested: candidates that were tested.
        smallest_all_wrong, smallest_half_wrong: images that a spot would have needed to be confirmed, had all
            or half of them been wrong; None: no number would have been enough.
    """

    spots: tuple[SpotFigures, ...]
    members: pd.DataFrame
    total: int
    tested: int
    smallest_all_wrong: int | None
    smallest_half_wrong: int | None

    def images_of(self, spot: int, confirming: bool = False) -> np.ndarray:
        """Positions int64 of a spot's images, all or those that confirmed it; spots count from 1."""
        rows = self.members["spot"] == spot
        if confirming:
            rows &= self.members["confirming"]
        return self.members.loc[rows, "index"].to_numpy(np.int64)

    def moved(self, place: np.ndarray) -> "BlindSpots":
        """With other positions: `place`, int64 (N,), has the new one of each image, or -1 to leave it out."""
        members = self.members.assign(index=place[self.members["index"].to_numpy(np.int64)])
        members = members[members["index"] >= 0].reset_index(drop=True)
        spots = tuple(
            replace(
                spot, examples=_moved(spot.examples, place), counterparts=_moved(spot.counterparts, place)
            )
            for spot in self.spots
        )
        return replace(self, spots=spots, members=members)

    @property
    def headline(self) -> str:
        """What came of the search, in a line."""
        number = len(self.spots)
        if number:
            images = self.members["index"].nunique()
            return f"{number} blind spot{'s' * (number > 1)} confirmed, {images:,} of {self.total:,} images"
        line = f"no blind spot could be confirmed on {self.total:,} images"
        all_wrong, half_wrong = self.smallest_all_wrong, self.smallest_half_wrong
        if all_wrong is None:
            return f"{line}; there are too few for any"
        if half_wrong == all_wrong:
            return f"{line}; one would have needed at least {all_wrong:,} images, half of them wrong"
        half = "" if half_wrong is None else f", or {half_wrong:,} with half of them wrong"
        return f"{line}; one would have needed at least {all_wrong:,} images, all of them wrong{half}"


def percent(share: float) -> str:
    """A small share with a digit more, so that it isn't 0%."""
    return f"{share:.1%}" if 0 < share < 0.02 else f"{share:.0%}"


def write_blindspots(blindspots: BlindSpots) -> None:
    """Write the table and the figures."""
    schema.write_table(schema.BLINDSPOTS, blindspots.members)
    artifacts.write_json(
        artifacts.BLINDSPOT_METRICS,
        {
            "confirmed": len(blindspots.spots),
            "images": int(blindspots.members["index"].nunique()),
            "total": blindspots.total,
            "tested": blindspots.tested,
            "smallest_all_wrong": blindspots.smallest_all_wrong,
            "smallest_half_wrong": blindspots.smallest_half_wrong,
            "spots": {str(number): asdict(spot) for number, spot in enumerate(blindspots.spots, 1)},
        },
    )


def read_blindspots(classes: Sequence[str], total: int, folder: Path = Path()) -> BlindSpots | None:
    """Read what `write_blindspots` wrote; None of a run that was made before blind spots were looked for.

    Args:
        classes: of the dataset.
        total: of its test images.
        folder: the project's.

    Raises:
        InputError: a file is missing, damaged, or about other images.
    """
    paths = [folder / path for path in (artifacts.BLINDSPOTS, artifacts.BLINDSPOT_METRICS)]
    if not any(path.exists() for path in paths):
        return None
    members = schema.read_table(schema.BLINDSPOTS, classes, folder)
    keys = ("total", "tested", "smallest_all_wrong", "smallest_half_wrong", "spots")
    content = artifacts.read_json(paths[1], *keys)
    try:
        spots = tuple(_figures(content["spots"][str(number + 1)]) for number in range(len(content["spots"])))
    except (KeyError, TypeError) as error:
        raise InputError(f"{paths[1]}: damaged ({error}); {artifacts.REMEDY}") from error
    numbers = members["spot"].unique().tolist()
    if content["total"] != total or numbers != list(range(1, len(spots) + 1)) or not _fit(members, total):
        raise InputError(f"{paths[0]}: damaged (about other images or spots); {artifacts.REMEDY}")
    return BlindSpots(spots, members, *(content[key] for key in keys[:-1]))


def _fit(members: pd.DataFrame, total: int) -> bool:
    return bool((members["index"] < total).all())


def _figures(entry: dict) -> SpotFigures:
    """From JSON, which knows no tuples."""
    pairs = {key: tuple(map(tuple, entry[key])) for key in ("conditions", "taken_for")}
    positions = {key: tuple(entry[key]) for key in ("examples", "counterparts")}
    return SpotFigures(**(entry | pairs | positions))


def _moved(positions: tuple[int, ...], place: np.ndarray) -> tuple[int, ...]:
    return tuple(int(place[position]) for position in positions if place[position] >= 0)
