import cv2
import numpy as np
import pytest

from src.explanation.faithfulness import STEPS, deletion_insertion, rank_correlation
from stages.gradcam import checked_images

SPOT = (slice(4, 8), slice(8, 16))  # 32 of 256 pixels: what one step takes


def bright_spot(images: np.ndarray) -> np.ndarray:
    """A model that knows one thing: class 1 is as probable as the spot is bright."""
    share = images[:, *SPOT].mean((1, 2, 3)) / 255
    return np.stack([1 - share, share], axis=1)


@pytest.fixture
def image() -> np.ndarray:
    image = np.zeros((1, 16, 16, 3), np.uint8)
    image[:, *SPOT] = 255
    return image


def test_the_map_that_knows_the_spot_is_the_best(image):
    mean = 31 / 255  # the image's mean color, in whole steps of 255
    right = np.zeros((1, 16, 16))
    right[:, *SPOT] = 1
    deletion, insertion = deletion_insertion(bright_spot, image, right, np.array([1]))
    # Down to the mean color within the first step, and half of it counts.
    assert deletion[0] == pytest.approx(mean + (1 - mean) / 2 / STEPS)
    assert insertion[0] > 1 - 0.5 / STEPS - 1e-9
    late, early = deletion_insertion(bright_spot, image, -right, np.array([1]))
    assert late[0] == pytest.approx(1 - (1 - mean) / 2 / STEPS)
    assert early[0] < insertion[0] - 0.3
    # For the other class the same map is the worst.
    assert deletion_insertion(bright_spot, image, right, np.array([0]))[0][0] == pytest.approx(
        1 - deletion[0]
    )


@pytest.mark.parametrize(("side", "deviation"), [(32, 4.0), (64, 8.0), (224, 28.0)])
def test_the_blur_grows_with_the_image(monkeypatch, side, deviation):
    used = []
    monkeypatch.setattr(cv2, "GaussianBlur", lambda image, _, sigma: used.append(sigma) or image)
    images, maps = np.zeros((1, side, side, 3), np.uint8), np.zeros((1, side, side))
    deletion_insertion(lambda images: np.ones((len(images), 1)), images, maps, np.array([0]))
    assert used == [deviation]


def test_only_the_order_of_a_map_matters(image):
    maps = np.random.default_rng(0).random((1, 16, 16))
    ours, stretched = (
        deletion_insertion(bright_spot, image, m, np.array([1])) for m in (maps, 100 * maps - 7)
    )
    assert np.array_equal(ours, stretched)


def test_rank_correlation():
    maps = np.random.default_rng(0).random((3, 4, 4))
    assert rank_correlation(maps, np.exp(maps)) == pytest.approx(1)
    assert rank_correlation(maps, -maps) == pytest.approx(-1)
    # By hand: ranks 1 2 3 4 and 2 1 4 3; 1 - 6 × (1 + 1 + 1 + 1) / (4 × 15).
    one, other = np.array([[[1.0, 2], [3, 4]]]), np.array([[[2.0, 1], [4, 3]]])
    assert rank_correlation(one, other) == pytest.approx(0.6)
    assert rank_correlation(np.concatenate([one, one]), np.concatenate([other, 0 * other])) == pytest.approx(
        0.3
    )


def test_maps_are_checked_with_the_first_images_of_each_class_or_of_some_of_very_many():
    assert checked_images(np.tile(np.arange(3), 7)).tolist() == list(range(15))
    labels = np.repeat(np.arange(1000), 2)
    chosen = checked_images(labels)
    assert labels[chosen].tolist() == list(range(0, 1000, 5))
    assert set(chosen % 2) == {0}
