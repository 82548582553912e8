import numpy as np
import pytest

from src import artifacts
from src.data.mean_std import channel_mean_std, load_mean_std
from src.errors import InputError


def test_by_hand():
    # Red is 0 in one image and 255 in the other; green is 51 everywhere; blue is 0, 0, 0, 255 in each.
    images = np.zeros((2, 2, 2, 3), np.uint8)
    images[1, ..., 0] = 255
    images[..., 1] = 51
    images[:, 1, 1, 2] = 255
    mean_std = channel_mean_std(images)
    assert mean_std["mean"] == [0.5, 0.2, 0.25]
    # The mean of each image's own deviation would be 0 for red.
    assert mean_std["std"] == pytest.approx([0.5, 0, (0.25 * 0.75) ** 0.5], abs=1e-15)


def test_agrees_with_numpy():
    images = np.random.default_rng(1).integers(0, 256, (50, 8, 8, 3), np.uint8)
    mean_std = channel_mean_std(images)
    assert mean_std["mean"] == pytest.approx((images / 255).mean((0, 1, 2)), abs=1e-12)
    assert mean_std["std"] == pytest.approx((images / 255).std((0, 1, 2)), abs=1e-12)


def test_what_the_stage_wrote_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"metrics/stats\.json: missing"):
        load_mean_std()
    artifacts.write_json(artifacts.MEAN_STD, {"mean": [0.1, 0.2, 0.3]})
    with pytest.raises(InputError, match=r"metrics/stats\.json: damaged .*'std'"):
        load_mean_std()
    artifacts.write_json(artifacts.MEAN_STD, {"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3], "test": {}})
    assert load_mean_std()["mean"] == [0.1, 0.2, 0.3]
