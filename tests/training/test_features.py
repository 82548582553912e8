import numpy as np
import pytest
import torch

from src.data.normalization import Normalize
from src.errors import InputError
from src.hardware import Hardware
from src.models.registry import create_model
from src.training import features
from src.training.features import FeatureFolder, FeatureViews, extractor

CPU = Hardware(torch.device("cpu"), torch.float32)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setattr(features, "CHUNK", 5)
    return tmp_path


class Counting:
    """Sums an image's channels; knows which images it has seen."""

    def __init__(self, die_at: int | None = None) -> None:
        self.calls, self.die_at = [], die_at

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if len(self.calls) == self.die_at:
            raise KeyboardInterrupt
        self.calls.append(len(images))
        sums = images.sum((1, 2), dtype=np.float32)
        return np.stack([sums, -sums])


def test_features_are_computed_once(random_images):
    count = Counting()
    made = FeatureFolder("key").compute("training", random_images, count, 2)
    expected = random_images.sum((1, 2), dtype=np.float32)
    assert (made.dtype, made.shape) == (np.float32, (2, 12, 3))
    np.testing.assert_array_equal(made, np.stack([expected, -expected]))
    assert count.calls == [5, 5, 2]
    np.testing.assert_array_equal(FeatureFolder("key").compute("training", random_images, count, 2), made)
    assert count.calls == [5, 5, 2]


def test_what_a_kill_left_is_not_computed_again(random_images, capsys):
    with pytest.raises(KeyboardInterrupt):
        FeatureFolder("key").compute("training", random_images, Counting(die_at=2), 2)
    count = Counting()
    resumed = FeatureFolder("key").compute("training", random_images, count, 2)
    assert count.calls == [2]
    assert "features of training images: 4 to compute, 20 are there\n" in capsys.readouterr().out
    whole = FeatureFolder("other").compute("training", random_images, Counting(), 2)
    np.testing.assert_array_equal(resumed, whole)
    files = [sorted(p.read_bytes() for p in FeatureFolder(k).path.iterdir()) for k in ("key", "other")]
    assert files[0] == files[1]
    assert len(files[0]) == 1  # no chunk is kept twice


def test_only_the_latest_are_kept(project):
    for key in ("a", "b", "c"):
        FeatureFolder(key)
    FeatureFolder("a")
    FeatureFolder("d")
    assert sorted(path.name for path in (project / ".features").iterdir()) == ["a", "c", "d"]


def test_a_damaged_file_ends_in_one_line(random_images):
    folder = FeatureFolder("key")
    folder.compute("training", random_images, Counting(), 2)
    (folder.path / "training.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"training\.npy: damaged .*; remove the folder \.features"):
        folder.compute("training", random_images, Counting(), 2)


def test_the_second_view_is_the_mirrored_image(random_images):
    torch.manual_seed(0)
    model, normalize = create_model("fast", 10), Normalize([0.5] * 3, [0.25] * 3, CPU.device)
    made = extractor(model, normalize, CPU, mirrored=True)(random_images)
    with torch.inference_mode():
        model.eval()
        for view, images in zip(made, (random_images, random_images[:, :, ::-1].copy()), strict=True):
            expected = model.features(normalize(torch.from_numpy(images)))
            np.testing.assert_allclose(view, expected.numpy(), rtol=1e-4, atol=1e-5)
    assert not np.allclose(made[0], made[1])


def test_the_backbone_is_not_trained_by_looking(random_images):
    model = create_model("resnet18", 10)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    extractor(model.train(), Normalize([0.5] * 3, [0.25] * 3, CPU.device), CPU, True)(random_images)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_view_is_drawn_for_each_image_and_epoch():
    # The feature tells view and image.
    table = (np.arange(2)[:, None, None] * 100 + np.arange(50)[None, :, None]).astype(np.float32)
    views = FeatureViews(table, seed=0)
    positions = np.arange(50)
    drawn = [views(positions, epoch)[:, 0] // 100 for epoch in range(40)]
    assert all((views(positions, epoch)[:, 0] % 100 == positions).all() for epoch in range(3))
    assert 0.4 < np.mean(drawn) < 0.6
    assert {tuple(values) for values in np.transpose(drawn)[:, :2].tolist()} == {
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    }
    some = FeatureViews(table, seed=0)
    np.testing.assert_array_equal(some(np.array([7, 3]), 5), views(positions, 5)[[7, 3]])
    assert (FeatureViews(table, seed=1)(positions, 5) != views(positions, 5)).any()
    again = views(positions + 50, 5)[:, 0]  # drawn a second time: the other view of the same image
    assert (again % 100 == positions).all()
    assert (again != views(positions, 5)[:, 0]).all()
