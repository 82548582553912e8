"""Which files hold the same picture: exactly, or one that was saved again, resized or made brighter.

Measured on 2,062 photographs of hands before one wall (sign-digits): each one saved again at JPEG quality
75, halved, made 10% brighter, or shrunk to two thirds and saved at quality 50 was found (8,248 of 8,248:
hashes at most 6 bits apart, thumbnails 3.7). Of the 2.1 million pairs of different photographs 205 had hashes
as close, 18 of them of different signs; the thumbnails left one pair, which is nearly the same photograph of
the same sign. None was found among 1,797 handwritten digits and 2,000 images of CIFAR-10.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

HASH_BITS = 6  # two hashes of 64 bits are close if no more of them differ
BANDS = 8  # of 8 bits; where 6 bits differ, two bands at least are equal
SAME_WINDOW = 64  # images with the same hash that are compared with each one; more are found by way of others
CLOSE_WINDOW = 512  # hashes with two equal bands that are compared with each one
MAX_PAIRS = 50  # close hashes of an image whose thumbnails are compared
BATCH = 20_000  # pairs whose thumbnails are compared at once: 140 MB

# Of thumbnails, in 0 to 255.
MAX_DIFFERENCE = 5.0  # mean absolute difference, each thumbnail's mean subtracted
MAX_SHARE = 0.2  # of the weaker one's own deviation from its mean: there is little in pale pictures
MAX_BRIGHTNESS = 25.0  # difference of the means

Thumbnails = Callable[[np.ndarray], np.ndarray]
Pairs = Iterator[tuple[np.ndarray, np.ndarray]]  # of positions


@dataclass(frozen=True)
class Duplicates:
    """Which images are the same picture; int64 (N,) each.

    Attributes:
        exact: position of the first image with the same pixels, its own where it is that.
        cluster: position of the first image that is the same or nearly the same, also by way of others.
    """

    exact: np.ndarray
    cluster: np.ndarray


def find_duplicates(
    pixels: pd.Series, hashes: np.ndarray, blank: np.ndarray, thumbnails: Thumbnails
) -> Duplicates:
    """Find all that are equal or nearly so.

    Near means: perceptual hashes within HASH_BITS, and thumbnails alike. Blank pictures are evidence of
    nothing: they can only be equal.

    Args:
        pixels: a hash of each image's pixels, N of them.
        hashes: uint64 (N,), perceptual hashes.
        blank: bool (N,).
        thumbnails: gives those at some positions, uint8 (n, 12, 12, 3).
    """
    exact = _first_equal(pixels)
    candidates = np.flatnonzero((exact == np.arange(len(exact))) & ~blank)
    clusters = _Clusters(len(exact))
    clusters.join(exact, np.arange(len(exact)))
    order = candidates[np.argsort(hashes[candidates], kind="stable")]
    _join_alike(clusters, _same_hash(hashes, order), thumbnails)
    # From now on, one for each cluster will do.
    known = pd.DataFrame({"hash": hashes[order], "cluster": clusters.number[order]}).duplicated()
    _join_alike(clusters, _close_hash(hashes, order[~known.to_numpy()]), thumbnails)
    return Duplicates(exact, clusters.first())


class _Clusters:
    """Connected components that grow, each known by a number."""

    def __init__(self, count: int) -> None:
        self.number = np.arange(count)

    def join(self, first: np.ndarray, second: np.ndarray) -> None:
        if len(first):
            count = len(self.number)
            edges = (np.ones(len(first), bool), (self.number[first], self.number[second]))
            self.number = connected_components(coo_array(edges, (count, count)), False)[1][self.number]

    def first(self) -> np.ndarray:
        """The position of the first member for each."""
        return _first_equal(pd.Series(self.number))


def _first_equal(values: pd.Series) -> np.ndarray:
    numbers, unique = pd.factorize(values)
    first = np.empty(len(unique), np.int64)
    first[numbers[::-1]] = np.arange(len(values))[::-1]  # the last that is written is the first
    return first[numbers]


def _join_alike(clusters: _Clusters, pairs: Pairs, thumbnails: Thumbnails) -> None:
    for first, second in _batches(pairs, clusters):
        alike = _alike(thumbnails, first, second)
        clusters.join(first[alike], second[alike])


def _same_hash(hashes: np.ndarray, order: np.ndarray) -> Pairs:
    """Pairs of positions with the same hash; `order` is sorted by it."""
    for i, step in _equal_neighbors(hashes[order], SAME_WINDOW):
        yield order[i], order[i + step]


def _close_hash(hashes: np.ndarray, order: np.ndarray) -> Pairs:
    """Pairs of positions whose hashes are close, but not the same."""
    # A band takes a frequency of each row and column: the lowest ones are alike in all pictures of a place.
    mixed = [row * 8 + (row + band) % 8 for band in range(BANDS) for row in range(8)]
    bits = np.unpackbits(hashes[order].view(np.uint8), bitorder="little").reshape(-1, 64)[:, mixed]
    chosen = np.packbits(bits, bitorder="little").view(np.uint64)
    bands = chosen.view(np.uint8).reshape(-1, BANDS)
    tried = np.zeros(len(order), np.int64)
    for table in combinations(range(BANDS), 2):
        keys = bands[:, table[0]].astype(np.uint16) << 8 | bands[:, table[1]]
        by_key = np.argsort(keys, kind="stable")
        keys, sorted_hashes = keys[by_key], chosen[by_key]
        for i, step in _equal_neighbors(keys, CLOSE_WINDOW):
            differing = sorted_hashes[i] ^ sorted_hashes[i + step]
            close = np.flatnonzero((np.bitwise_count(differing) <= HASH_BITS) & (differing > 0))
            # A pair can have more than two equal bands; only the table of the first two counts it.
            equal = differing[close].view(np.uint8).reshape(-1, BANDS) == 0
            close = close[(equal.cumsum(1)[:, table[1]] == 2)]
            i = i[close]
            i = i[tried[by_key[i]] < MAX_PAIRS]
            if len(i):
                tried[by_key[i]] += 1
                yield order[by_key[i]], order[by_key[i + step]]


def _equal_neighbors(keys: np.ndarray, window: int) -> Iterator[tuple[np.ndarray, int]]:
    """Of sorted keys: positions i and a step so that keys[i] == keys[i + step], up to the window."""
    i = np.arange(len(keys))
    for step in range(1, window + 1):
        i = i[: np.searchsorted(i, len(keys) - step)]
        i = i[keys[i] == keys[i + step]]
        if not len(i):
            return
        yield i, step


def _batches(pairs: Pairs, clusters: _Clusters) -> Pairs:
    """Pairs that are not yet in one cluster, BATCH at a time; the clusters may grow in between."""
    waiting: list[np.ndarray] = []
    count = 0

    def collected() -> np.ndarray:
        pair = np.concatenate(waiting, axis=1)
        waiting.clear()
        return pair[:, clusters.number[pair[0]] != clusters.number[pair[1]]]

    for first, second in pairs:
        new = clusters.number[first] != clusters.number[second]
        waiting.append(np.stack([first[new], second[new]]))
        count += int(new.sum())
        if count >= BATCH:
            pair, count = collected(), 0
            for start in range(0, pair.shape[1], BATCH):
                yield pair[0, start : start + BATCH], pair[1, start : start + BATCH]
    if waiting and len((pair := collected())[0]):
        yield pair[0], pair[1]


def _alike(thumbnails: Thumbnails, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether the thumbnails of each pair show the same: bool."""
    positions, where = np.unique(np.concatenate([first, second]), return_inverse=True)
    values = thumbnails(positions).reshape(len(positions), -1).astype(np.float32)
    means = values.mean(1)
    values -= means[:, None]
    contrast = np.abs(values).mean(1)
    one, other = where[: len(first)], where[len(first) :]
    difference = np.abs(values[one] - values[other]).mean(1)
    limit = np.minimum(MAX_DIFFERENCE, MAX_SHARE * np.minimum(contrast[one], contrast[other]))
    return (difference <= limit) & (np.abs(means[one] - means[other]) <= MAX_BRIGHTNESS)
