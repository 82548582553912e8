import numpy as np
import pytest

from src.stats import channel_stats


def test_hand_computed():
    # Red is 0 in one image and 255 in the other; green is 51 everywhere; blue is 0, 0, 0, 255 in each.
    images = np.zeros((2, 2, 2, 3), np.uint8)
    images[1, ..., 0] = 255
    images[..., 1] = 51
    images[:, 1, 1, 2] = 255
    stats = channel_stats(images)
    assert stats["mean"] == [0.5, 0.2, 0.25]
    # The mean of each image's own deviation would be 0 for red.
    assert stats["std"] == pytest.approx([0.5, 0, (0.25 * 0.75) ** 0.5], abs=1e-15)


def test_agrees_with_numpy():
    images = np.random.default_rng(1).integers(0, 256, (50, 8, 8, 3), np.uint8)
    stats = channel_stats(images)
    assert stats["mean"] == pytest.approx((images / 255).mean((0, 1, 2)), abs=1e-12)
    assert stats["std"] == pytest.approx((images / 255).std((0, 1, 2)), abs=1e-12)
