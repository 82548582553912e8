import time

import numpy as np
import pandas as pd

from src.download.duplicates import SAME_WINDOW, find_duplicates

NONE = np.zeros(0, int)


def flip(hash_: int, *bits: int) -> int:
    return hash_ ^ sum(1 << bit for bit in bits)


def find(hashes, thumbnails, pixels=None, blank=NONE):
    count = len(hashes)
    marked = np.zeros(count, bool)
    marked[blank] = True
    thumbnails = np.asarray(thumbnails, np.uint8)
    pixels = range(count) if pixels is None else pixels
    found = find_duplicates(
        pd.Series([str(p) for p in pixels]), np.array(hashes, np.uint64), marked, thumbnails.__getitem__
    )
    return found.exact.tolist(), found.cluster.tolist()


def scenes(count, seed=0):
    return np.random.default_rng(seed).integers(30, 220, (count, 12, 12, 3), dtype=np.uint8)


def test_equal_pixels_are_exact_duplicates_of_the_first():
    exact, cluster = find([1, 99, 1, 7], scenes(4), pixels=["a", "b", "a", "c"])
    assert exact == cluster == [0, 1, 0, 3]


def test_six_bits_apart_in_any_place_are_near_and_seven_are_not():
    rng = np.random.default_rng(0)
    scene = scenes(1)[0]
    for count, near in ((6, True), (7, False)):
        for _ in range(300):
            first = int(rng.integers(0, 2**63))
            second = flip(first, *(int(bit) for bit in rng.choice(64, count, replace=False)))
            assert find([first, second], [scene, scene])[1] == [0, 0 if near else 1]


def test_close_hashes_of_other_pictures_are_no_duplicates():
    assert find([5, 5], scenes(2))[1] == [0, 1]


def test_a_brighter_picture_is_near_and_a_much_brighter_one_is_not():
    scene = scenes(1)[0].astype(float)
    assert find([5, 5], [scene, np.clip(scene * 1.1, 0, 255)])[1] == [0, 0]
    assert find([5, 5], [scene, np.clip(scene + 30, 0, 255)])[1] == [0, 1]


def test_pale_pictures_have_to_agree_the_more():
    pale = 200 + scenes(2).astype(float) / 60  # differ by less than a saved photograph does
    assert find([5, 5], pale)[1] == [0, 1]


def test_a_chain_is_one_cluster():
    scene = scenes(1)[0]
    hashes = [flip(0, *range(5 * n)) for n in (2, 1, 0)]
    assert find(hashes, [scene] * 3)[1] == [0, 0, 0]
    assert find([hashes[0], hashes[2]], [scene] * 2)[1] == [0, 1]


def test_blank_pictures_are_exact_duplicates_only():
    scene = np.full((12, 12, 3), 255)
    assert find([0, 0, 0], [scene] * 3, pixels=["a", "b", "a"], blank=[0, 1, 2]) == ([0, 1, 0], [0, 1, 0])


def test_thousands_of_one_hash_do_not_explode():
    count = 3_000
    started = time.perf_counter()
    exact, cluster = find([0] * count, scenes(count))
    assert cluster == exact == list(range(count))
    exact, cluster = find([0] * count, [scenes(1)[0]] * count)
    assert cluster == [0] * count
    assert time.perf_counter() - started < 30
    assert count > SAME_WINDOW


def test_a_hundred_thousand_take_seconds():
    count = 100_000
    hashes = np.random.default_rng(0).integers(0, 2**63, count)
    hashes[1::1000] = hashes[::1000] ^ 7
    thumbnail = scenes(1)
    started = time.perf_counter()
    found = find_duplicates(
        pd.Series(np.arange(count)),
        hashes.astype(np.uint64),
        np.zeros(count, bool),
        lambda positions: np.repeat(thumbnail, len(positions), 0),
    )
    assert time.perf_counter() - started < 10  # 0.2 s, alone on a machine
    expected = np.arange(count)
    expected[1::1000] = expected[::1000]
    np.testing.assert_array_equal(found.cluster, expected)


def test_no_images_at_all():
    assert find([], np.zeros((0, 12, 12, 3))) == ([], [])


def test_another_picture_with_the_same_hash_does_not_stand_in_the_way():
    scene, other = scenes(2)
    assert find([5, 5, 7], [other, scene, scene])[1] == [0, 1, 1]
