"""Pictures are looked at by people; these tests see to what can be counted."""

import numpy as np
import pytest
from PIL import Image

from src import figures
from src.explanation import overlays


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def has(picture: np.ndarray, color: tuple[int, int, int], least: int) -> bool:
    return int((np.abs(picture.astype(int) - color).max(axis=2) <= 2).sum()) >= least


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_grid_shows_every_image(tmp_path, count):
    colors = np.random.default_rng(0).integers(0, 200, (count, 3), np.uint8)
    images = np.broadcast_to(colors[:, None, None], (count, 32, 32, 3))
    figures.save_grid(tmp_path / "g.png", images, [f"number {n}" for n in range(count)], 5, "Heading")
    picture = pixels(tmp_path / "g.png")
    for color in colors:
        assert has(picture, tuple(color.tolist()), 100 * 100)


def test_the_same_content_gives_the_same_bytes(tmp_path, random_images):
    for name in ("a.png", "b.png"):
        figures.save_grid(tmp_path / name, random_images, ["x"] * 12, 5, "Heading")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert set(image.info) <= {"dpi"}


def explanation(tmp_path, maps: list[float]) -> np.ndarray:
    """The picture of a gray image with a constant map a class."""
    image = np.full((32, 32, 3), 100, np.uint8)
    levels = np.array(maps, np.float32)[None, :, None, None] * np.ones((1, 1, 32, 32), np.float32)
    overlays.save_explanation(tmp_path / "e.png", image, ["layer"], ["cat", "dog"], levels, "Heading")
    return pixels(tmp_path / "e.png")


def overlay(share: float) -> tuple[int, int, int]:
    color = np.array(overlays.HEAT(share)[:3]) * 255
    strength = 0.8 * share**0.6
    return tuple(((1 - strength) * 100 + strength * color).round().astype(int).tolist())


def test_the_maps_of_a_layer_share_one_scale(tmp_path):
    picture = explanation(tmp_path, [8.0, 4.0])
    assert has(picture, overlay(1.0), 100 * 100)
    assert has(picture, overlay(0.5), 100 * 100)


@pytest.mark.parametrize("maps", [[8.0, -4.0], [0.0, 0.0], [-1.0, -2.0], [8.0, 1e-6]])
def test_a_map_without_evidence_is_not_blown_up(tmp_path, maps):
    picture = explanation(tmp_path, maps)
    plain = int((np.abs(picture.astype(int) - 100).max(axis=2) <= 2).sum())
    # The image itself and each map without evidence, less the words on it.
    panels = 1 + sum(value <= 1e-6 for value in maps)
    assert plain > (panels - 0.25) * 170 * 170


def test_probes_show_where_but_do_not_blow_up_noise(tmp_path):
    images = np.full((3, 32, 32, 3), 100, np.uint8)
    maps = np.ones((1, 3, 1, 1), np.float32) * np.array([8.0, 4.0, 1e-3], np.float32)[:, None, None]
    maps = np.broadcast_to(maps, (1, 3, 32, 32))
    overlays.save_probes(tmp_path / "p.png", images, ["a", "b", "c"], [True, False, True], ["x"], maps, "H")
    picture = pixels(tmp_path / "p.png")
    full = int((np.abs(picture.astype(int) - overlay(1.0)).max(axis=2) <= 2).sum())
    plain = int((np.abs(picture.astype(int) - 100).max(axis=2) <= 2).sum())
    assert full > 1.7 * 100 * 100  # two maps, each at the top of its own scale
    assert plain > 3.6 * 100 * 100  # three images and the third map, less the words on it
    assert picture.shape[0] > picture.shape[1]


def test_long_lines_are_shortened_in_the_middle():
    assert figures.fit("automobile", 1.5, 8) == "automobile"
    assert figures.fit("two\n lines", 1.5, 8) == "two lines"
    short = figures.fit("x" * 40 + "y" * 40, 1, 8)
    assert 10 < len(short) < 30
    assert short.startswith("xxxx")
    assert short.endswith("yyyy")
    assert "…" in short
    assert len(figures.fit("🐈" * 80, 1, 8)) < len(short) + 5  # no sign of the font, and no warning
    assert figures.fit("wide", 0.01, 8) == "…"


@pytest.mark.parametrize("name", ["$\\frac{1}$", "a $ b $", "🐈", "日本", "x" * 500])
def test_names_may_hold_anything(tmp_path, name):
    images, maps = np.zeros((2, 224, 224, 3), np.uint8), np.ones((2, 7, 7), np.float32)
    figures.save_grid(tmp_path / "g.png", images, [f"is {name}\n{name}"] * 2, 5, name)
    overlays.save_explanation(tmp_path / "e.png", images[0], ["layer"], [name], [maps[:1]], name)
    overlays.save_probes(tmp_path / "p.png", images, [name] * 2, [True, False], ["layer"], [maps], name)
    assert abs(pixels(tmp_path / "g.png").shape[1] - 5 * 235) < 5
    assert pixels(tmp_path / "p.png").shape[1] < 600


@pytest.mark.parametrize("side", [32, 128, 224])
def test_a_heatmap_lies_over_the_whole_picture_at_its_own_resolution(tmp_path, side):
    image = np.full((side, side, 3), 100, np.uint8)
    overlays.save_explanation(
        tmp_path / "e.png", image, ["x"], ["cat"], [np.ones((1, 7, 7), np.float32)], "Heading"
    )
    picture = pixels(tmp_path / "e.png").astype(int)
    covered = np.abs(picture - overlay(1.0)).max(axis=2) <= 2
    rows, columns = (np.flatnonzero(covered.sum(axis) > 100) for axis in (1, 0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert height >= side
    assert abs(int(height) - int(width)) <= 2
    assert covered.sum() > 0.98 * height * width  # up to the edges
