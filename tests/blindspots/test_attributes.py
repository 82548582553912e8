import cv2
import numpy as np
import pytest

from src.blindspots.attributes import aspects, measure
from src.blindspots.colors import COLORS

RED, GREEN, GRAY = (220, 20, 20), (30, 160, 40), (128, 128, 128)


def plain(color, side=32):
    return np.full((side, side, 3), color, np.uint8)


def disc(color, background, center=(16, 16), radius=6, side=32):
    image = plain(background, side)
    cv2.circle(image, center, radius, color, -1)
    return image


def noise(seed, side=32):
    """Something like a photograph: differences at all scales."""
    generator = np.random.default_rng(seed)
    layers = [
        cv2.resize(generator.normal(0, size, (cells, cells, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
        for size, cells in ((60, 2), (40, 4), (25, 8), (10, side))
    ]
    return np.clip(sum(layers) / 1.5 + 128, 0, 255).astype(np.uint8)


def of(*images, heatmaps=None):
    return measure(np.stack(images), heatmaps)


def test_light_and_colors():
    found = of(plain((20, 20, 20)), plain((230, 230, 230)), plain(RED), noise(0))
    assert found.brightness[0] == pytest.approx(20 / 255)
    assert found.brightness[1] == pytest.approx(230 / 255)
    assert found.saturation[2] > 0.85 > 0.1 > found.saturation[1]
    assert found.contrast[:3].max() < 0.001 < 0.1 < found.contrast[3]
    assert found["blank part"].tolist()[:3] == [1, 1, 1]
    assert found["blank part"][3] < 0.2


def test_sharp_and_blurred():
    images = [noise(seed, 64) for seed in range(5)]
    blurred = [cv2.GaussianBlur(image, (0, 0), 2) for image in images]
    found = of(*images, *blurred)
    assert found.sharpness[:5].min() > found.sharpness[5:].max()
    assert found.texture[:5].min() > found.texture[5:].max()


def test_a_red_thing_on_green():
    found = of(disc(RED, GREEN), disc(GREEN, GRAY), plain(GREEN))
    assert [COLORS[int(code)] for code in found["background color"]] == ["green", "gray", "green"]
    assert [COLORS[int(code)] for code in found["object color"][:2]] == ["red", "green"]
    assert found["object color"].isna().tolist() == [False, False, True]
    assert found["object size"][0] == pytest.approx(np.pi * 6**2 / 32**2, rel=0.15)
    assert found["object"].tolist() == [1, 1, 0]


@pytest.mark.parametrize("side", [32, 200])
def test_where_it_is(side):
    scale = side // 32
    places = [(7, 16), (25, 16), (16, 7), (16, 25)]
    found = of(*(disc(RED, GRAY, (x * scale, y * scale), 4 * scale, side) for x, y in places))
    assert np.allclose(found["object x"], [x * scale / side for x, _ in places], atol=0.03)
    assert np.allclose(found["object y"], [y * scale / side for _, y in places], atol=0.03)


def test_on_stripes_and_in_the_frame():
    # Two colors of the background are no objects; nor is what reaches into the frame background.
    stripes = plain(GRAY)
    stripes[:, ::2] = 60
    cv2.circle(stripes, (16, 16), 7, RED, -1)
    reaching = disc(RED, GRAY, (2, 16), 6)
    found = of(stripes, reaching)
    assert COLORS.index("red") == found["object color"][0] == found["object color"][1]
    assert found["object size"][0] == pytest.approx(np.pi * 7**2 / 32**2, rel=0.25)
    assert found["object x"][1] < 0.2
    assert COLORS[int(found["background color"][1])] == "gray"
    assert found.border[0] > of(disc(RED, GRAY)).border[0]


def test_faint_and_textured_things():
    textured = disc(RED, GRAY)
    textured[10:22:2, 10:22] //= 2
    found = of(disc((140, 140, 128), GRAY), disc(RED, GRAY), textured)
    assert found["object contrast"][0] < found["object contrast"][1] / 3
    assert found["object texture"][2] > 5 * found["object texture"][1] + 1


def test_what_the_model_looks_at():
    image = plain(GRAY)
    image[:, :16] = RED
    heatmaps = np.zeros((3, 8, 8), np.uint8)
    heatmaps[0, 2:6, :3] = 255
    heatmaps[1, 2:6, 6:] = 255
    found = of(image, image, image, heatmaps=heatmaps)
    assert found["focus x"][0] < 0.3 < 0.7 < found["focus x"][1]
    assert found["focus y"][0] == pytest.approx(0.5, abs=0.01)
    assert [COLORS[int(code)] for code in found["focus color"][:2]] == ["red", "gray"]
    assert found["focus size"][0] == pytest.approx(12 / 64, abs=0.06)
    # An empty map says nothing.
    assert found.filter(like="focus").isna().iloc[2].all()
    assert found.filter(like="focus").notna().iloc[:2].all(axis=None)
    assert not any(name.startswith("focus") for name in of(image))


def test_a_stamp_in_a_corner():
    images = [noise(seed) for seed in range(60)]
    stamp = np.random.default_rng(1).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    for image in images[:10]:
        image[1:7, 25:31] = stamp
    # One that nobody else has is no mark; a pattern all over is none either.
    images[20][25:31, 1:7] = stamp
    checked = plain(GRAY)
    checked[::2, ::2] = 255
    found = measure(np.stack(images + [checked] * 5), None)
    assert found["top-right corner"].tolist() == [1.0] * 10 + [0.0] * 55
    for corner in ("top-left", "bottom-left", "bottom-right"):
        assert not found[f"{corner} corner"].any()


def test_chunks_do_not_matter(monkeypatch):
    images = np.stack([noise(seed) for seed in range(7)])
    heatmaps = np.random.default_rng(0).integers(0, 256, (7, 4, 4)).astype(np.uint8)
    whole = measure(images, heatmaps)
    monkeypatch.setattr("src.blindspots.attributes.CHUNK", 3)
    assert np.allclose(measure(images, heatmaps), whole, equal_nan=True)


def test_shapes_of_the_original_files():
    assert aspects(np.array([[200, 100], [100, 200], [np.nan, np.nan]])).aspect.tolist()[:2] == [2, 0.5]
