"""The picture of blind spots is there whatever was found."""

import numpy as np
import pytest
from PIL import Image

from src.blindspots.gallery import MAX_SPOTS, save_blindspots
from tests.report.spots import Given, run

SPOT = Given(range(40), range(20), sentence="$dog$: the picture is dark and " + 20 * "so on ")


def size(path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def draw(path, given, maps=True) -> tuple[int, int]:
    count = len(given.predictions.actual)
    heatmaps = np.random.default_rng(0).integers(0, 256, (count, 4, 4)).astype(np.uint8)
    heatmaps[::2] = 0
    save_blindspots(path, given.blindspots, given.images, heatmaps if maps else None, given.predictions)
    return size(path)


@pytest.fixture
def blind():
    return run("a", range(40), [SPOT], size=100)


def test_sizes(blind, tmp_path):
    one = draw(tmp_path / "1.png", blind)
    assert one[0] > 800
    many = run("a", range(40), [SPOT] * (MAX_SPOTS + 1), size=100)
    width, height = draw(tmp_path / "5.png", many)
    assert width == pytest.approx(2 * one[0], abs=60)
    assert height == pytest.approx(2 * one[1], abs=80)


def test_the_same_bytes_again_and_without_heatmaps(blind, tmp_path):
    for name in ("one.png", "other.png"):
        draw(tmp_path / name, blind)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()
    assert draw(tmp_path / "without.png", blind, maps=False) == size(tmp_path / "one.png")


def test_nothing_found(tmp_path):
    width, height = draw(tmp_path / "none.png", run("a", range(40), size=100))
    assert (width, height) == (800, 120)


def test_fewer_images_than_there_is_room_for(tmp_path):
    few = run("a", range(2), [Given(range(98), range(10))], size=100)
    assert len(few.blindspots.spots[0].examples) == 2
    draw(tmp_path / "few.png", few)
