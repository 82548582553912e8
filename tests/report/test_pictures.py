import io

import numpy as np
import pytest
from PIL import Image

from src.report import pictures


def opened(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "WEBP"
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(32, 32, (32, 32)), (96, 96, (96, 96)), (512, 512, (96, 96)), (50, 200, (24, 96))],
)
def test_thumbnails_are_small_and_like_the_image(height, width, expected):
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    image = np.broadcast_to(ramp[None, :, None], (height, width, 3))
    small = opened(pictures.thumbnail(image))
    assert small.shape[:2] == expected
    assert np.abs(small - np.linspace(0, 255, expected[1])[None, :, None]).max() < 12


def test_as_many_are_taken_as_there_is_room_for(random_images):
    sizes = [4 * len(pictures.thumbnail(image)) // 3 + 1 + 100 for image in random_images]
    order = [7, 3, 11, 0]
    for count in (1, 2, 3, 4):
        budget = sum(sizes[index] for index in order[:count])
        shown, thumbnails = pictures.fill(order, random_images, lambda _: 100, budget)
        assert shown.tolist() == sorted(order[:count])
        assert thumbnails == [pictures.thumbnail(random_images[index]) for index in sorted(order[:count])]
    assert len(pictures.fill(order, random_images, lambda _: 100, 1)[0]) == 1  # one at least
    assert pictures.fill([], random_images, lambda _: 100, 1)[0].shape == (0,)


def test_fine_heatmaps_are_shrunk_and_keep_their_scale():
    maps = np.zeros((2, 56, 28), np.uint8)
    maps[0, :28] = 255
    maps[0, 28:] = 51
    small = pictures.shrink_maps(maps)
    assert small.shape == (2, 16, 8)
    assert (small[0, 0] == 255).all()
    assert (np.abs(small[0, -1].astype(int) - 51) <= 1).all()
    assert not small[1].any()
    assert pictures.shrink_maps(maps[:, :14, :14]).shape == (2, 14, 14)
