"""What a set consists of; everything follows from its seed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from benchmarks.planted.scenes import ATTRIBUTES, CLASSES, SIZE, draw

# Fixed before any setting was chosen. What is tuned is tuned on the first; the others are looked at once.
TUNING = (*range(1000, 1008), *range(1100, 1106))
SCORING = (*range(1, 16), *range(101, 121))
PARTS = {"train": 8_000, "test": 5_000, "fresh": 20_000}  # pictures
LARGEST, SMALLEST = 0.15, 0.01  # share of the pictures in a spot
COMMON = 0.5  # no condition is a word that holds for more pictures than this: "no border" singles nothing out
MOST_SHARED = 0.2  # of the smaller one of two spots
LEAST = 400  # training images drawn inside each spot besides those there by chance: fewer mislead little

# Labels that are wrong at random, in training and testing alike: whoever labels the one labels the other.
WRONG_LABELS = 0.01
SHAPE = "shape"  # as a condition: an actual class
CAUSES = ("labels", "faint")


@dataclass(frozen=True)
class PlantedSpot:
    """Where the training part misleads.

    Attributes:
        conditions: one to three pairs of an attribute, or `SHAPE`, and its word.
        cause: `labels`: all training images inside have a wrong label, for each class always the same one;
            `faint`: objects inside are faint in all parts, and training labels inside are at random.
        shift: for wrong labels, how many classes further.
    """

    conditions: tuple[tuple[str, str], ...]
    cause: str
    shift: int = 1

    @property
    def share(self) -> float:
        """Of all pictures, the expected one."""
        return float(np.prod([_share(name, word) for name, word in self.conditions]))

    def members(self, table: pd.DataFrame) -> np.ndarray:
        """Which rows of a table with a column an attribute and `SHAPE` are inside, bool (N,)."""
        return np.logical_and.reduce([(table[name] == word).to_numpy() for name, word in self.conditions])

    def __str__(self) -> str:
        return f"{', '.join(f'{name} {word}' for name, word in self.conditions)} ({self.cause})"


@dataclass(frozen=True)
class PlantedSet:
    """A set: its spots, and the pictures of each part.

    Attributes:
        seed: of everything.
        spots: those planted.
        healed: the position of the spot whose cause is gone from the training part, or None.
        sizes: how many pictures each part has.
    """

    seed: int
    spots: tuple[PlantedSpot, ...]
    healed: int | None = None
    sizes: Mapping[str, int] = field(default_factory=lambda: PARTS)

    @property
    def name(self) -> str:
        return f"{self.seed:04}" if self.healed is None else f"{self.seed:04}-healed-{self.healed + 1}"

    def heal(self, spot: int) -> "PlantedSet":
        """The same, with right training labels in one spot; the other parts stay byte for byte the same."""
        return replace(self, healed=spot)

    def table(self, part: str) -> pd.DataFrame:
        """A row a picture: `label` (as given), `SHAPE` (as drawn), a column an attribute, and `faint`."""
        return self._tables[part]

    def pictures(self, part: str) -> Iterator[np.ndarray]:
        """In the order of the table, each uint8 (SIZE, SIZE, 3)."""
        table = self.table(part)
        number = list(PARTS).index(part)
        rows = table[[SHAPE, *ATTRIBUTES]].to_dict("records")
        for index, (row, faint) in enumerate(zip(rows, table["faint"].to_numpy(), strict=True)):
            yield draw(row.pop(SHAPE), row, bool(faint), np.random.default_rng((self.seed, 2, number, index)))

    def images(self, part: str) -> np.ndarray:
        """All of them, uint8 (N, SIZE, SIZE, 3)."""
        images = np.zeros((self.sizes[part], SIZE, SIZE, 3), np.uint8)
        for image, picture in zip(images, self.pictures(part), strict=True):
            image[:] = picture
        return images

    def inside(self, part: str) -> np.ndarray:
        """Which pictures are in which spot, bool (spots, N)."""
        table = self.table(part)
        return np.array([spot.members(table) for spot in self.spots]).reshape(len(self.spots), len(table))

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        return {part: self._draw_table(part) for part in PARTS}

    def _draw_table(self, part: str) -> pd.DataFrame:
        count = self.sizes[part]
        rng = np.random.default_rng((self.seed, 1, list(PARTS).index(part)))
        shapes = rng.integers(0, len(CLASSES), count)
        words = {
            name: rng.choice(list(shares), count, p=list(shares.values()))
            for name, shares in ATTRIBUTES.items()
        }
        table = pd.DataFrame({SHAPE: np.array(CLASSES)[shapes], **words})
        if part == "train":
            for number, spot in enumerate(self.spots):
                for name, word in spot.conditions:
                    table.loc[number * LEAST : (number + 1) * LEAST - 1, name] = word
            shapes = pd.Categorical(table[SHAPE], list(CLASSES)).codes.astype(np.int64)
        # Drawn whether they are used or not, so that healing a spot changes nothing else.
        anything = rng.integers(0, len(CLASSES), count)
        wrong = rng.random(count) < WRONG_LABELS
        other = (shapes + rng.integers(1, len(CLASSES), count)) % len(CLASSES)
        labels = np.where(wrong, other, shapes)
        faint = np.zeros(count, bool)
        for number, spot in reversed(list(enumerate(self.spots))):  # where two meet, the first one counts
            inside = spot.members(table)
            if spot.cause == "faint":
                faint |= inside
            if part != "train" or number == self.healed:
                continue
            misled = anything if spot.cause == "faint" else (shapes + spot.shift) % len(CLASSES)
            labels = np.where(inside, misled, labels)
        return table.assign(label=np.array(CLASSES)[labels], faint=faint)


def planted_set(seed: int) -> PlantedSet:
    """The set of a seed: with one to three spots; without any where the hundreds of the seed are odd."""
    if seed // 100 % 2:
        return PlantedSet(seed, ())
    rng = np.random.default_rng((seed, 0))
    count = int(rng.integers(1, 4))
    spots: list[PlantedSpot] = []
    while len(spots) < count:
        spot = _draw_spot(rng)
        if SMALLEST <= spot.share <= LARGEST and all(_apart(spot, other) for other in spots):
            spots.append(spot)
    return PlantedSet(seed, tuple(spots))


def _draw_spot(rng: np.random.Generator) -> PlantedSpot:
    names = [SHAPE, *ATTRIBUTES]
    chosen = sorted(rng.choice(len(names), int(rng.integers(1, 4)), replace=False).tolist())
    conditions = tuple((names[at], str(rng.choice(_words(names[at])))) for at in chosen)
    return PlantedSpot(conditions, str(rng.choice(CAUSES)), int(rng.integers(1, len(CLASSES))))


def _apart(one: PlantedSpot, other: PlantedSpot) -> bool:
    """Whether two spots share few pictures."""
    both = dict(one.conditions) | dict(other.conditions)
    if any(both[name] != word for name, word in one.conditions):
        return True
    shared = np.prod([_share(name, word) for name, word in both.items()])
    return bool(shared <= MOST_SHARED * min(one.share, other.share))


def _words(name: str) -> list[str]:
    if name == SHAPE:
        return list(CLASSES)
    return [word for word, share in ATTRIBUTES[name].items() if share <= COMMON]


def _share(name: str, word: str) -> float:
    return 1 / len(CLASSES) if name == SHAPE else ATTRIBUTES[name][word]
