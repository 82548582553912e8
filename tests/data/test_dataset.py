import hashlib
import json

import numpy as np
import pytest

from src import artifacts
from src.data.dataset import Dataset, first_of_each_class, hold_out, load_dataset, save_dataset
from src.download import cifar10
from src.errors import InputError
from tests.conftest import ROOT


def arrays(dataset: Dataset) -> dict[str, np.ndarray]:
    """All of it in memory, by the name of its file without the ending."""
    splits = dataset.splits.items()
    images = {f"{part}_images": split.images[:] for part, split in splits}
    return images | {f"{part}_labels": split.labels for part, split in splits}


def test_save_and_load_give_the_same(tmp_path, tiny):
    save_dataset(tiny, tmp_path / "dataset")
    loaded = load_dataset(tmp_path / "dataset")
    for name, array in arrays(tiny).items():
        np.testing.assert_array_equal(arrays(loaded)[name], array)
    assert (loaded.name, loaded.classes) == (tiny.name, tiny.classes)
    meta = json.loads((tmp_path / "dataset/meta.json").read_text())
    assert meta["sha256"]["test_labels"] == hashlib.sha256(tiny.test.labels.tobytes()).hexdigest()


def test_a_failed_save_leaves_what_was_there(tmp_path, tiny, monkeypatch):
    save_dataset(tiny, tmp_path / "dataset")
    monkeypatch.setattr(np, "save", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(InputError, match="dataset: cannot be written: No space left"):
        save_dataset(tiny, tmp_path / "dataset")
    assert len(load_dataset(tmp_path / "dataset").train) == 200
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_a_truncated_array_is_named(tmp_path, tiny):
    save_dataset(tiny, tmp_path / "dataset")
    path = tmp_path / "dataset/train_images.npy"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"train_images\.npy: damaged"):
        load_dataset(tmp_path / "dataset")


def test_an_array_of_the_wrong_type_is_named(tmp_path, tiny):
    save_dataset(tiny, tmp_path / "dataset")
    np.save(tmp_path / "dataset/test_labels.npy", tiny.test.labels.astype(np.int32))
    with pytest.raises(InputError, match=r"test_labels\.npy: int32 of 100, should be int64 of 100"):
        load_dataset(tmp_path / "dataset")


def test_hold_out_is_balanced_seeded_and_a_partition():
    labels = np.repeat([0, 1, 2], [100, 50, 4])
    train, held_out = hold_out(labels, 0.1, seed=3)
    assert np.bincount(labels[held_out]).tolist() == [10, 5, 1]
    assert np.sort(np.concatenate([train, held_out])).tolist() == list(range(154))
    np.testing.assert_array_equal(held_out, hold_out(labels, 0.1, seed=3)[1])
    assert held_out.tolist() != hold_out(labels, 0.1, seed=4)[1].tolist()


def test_hold_out_nothing():
    train, held_out = hold_out(np.repeat([0, 1], 5), 0, seed=0)
    assert train.tolist() == list(range(10))
    assert held_out.tolist() == []


def test_first_of_each_class():
    assert first_of_each_class(np.array([2, 0, 0, 2, 1, 0, 2]), 2).tolist() == [0, 1, 2, 3, 4]


def test_the_sample_is_what_it_says():
    sample = load_dataset(ROOT / artifacts.SAMPLE)
    assert sample.train.images.shape == (2000, 32, 32, 3)
    assert sample.test.images.shape == (500, 32, 32, 3)
    assert np.bincount(sample.train.labels).tolist() == [200] * 10
    assert np.bincount(sample.test.labels).tolist() == [50] * 10
    assert (sample.name, sample.classes) == ("sample", cifar10.CLASSES)
    size = sum(path.stat().st_size for path in (ROOT / artifacts.SAMPLE).iterdir())
    assert size <= 8_000_000
    sums = json.loads((ROOT / artifacts.SAMPLE / "meta.json").read_text())["sha256"]
    for name, array in arrays(sample).items():
        assert hashlib.sha256(array.tobytes()).hexdigest() == sums[name]


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (np.zeros(9, np.int64), r"test_labels\.npy: int64 of 9, should be int64 of 100"),
        (np.full(100, 10), r"test_labels\.npy: does not fit the images and classes"),
        (np.full(100, -1), r"test_labels\.npy: does not fit the images and classes"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, tiny, labels, line):
    save_dataset(tiny, tmp_path / "dataset")
    np.save(tmp_path / "dataset/test_labels.npy", labels)
    with pytest.raises(InputError, match=line):
        load_dataset(tmp_path / "dataset")


def test_every_class_keeps_an_image_to_train_on():
    labels = np.repeat([0, 1, 2], [10, 1, 2])
    train, held_out = hold_out(labels, 0.99, seed=0)
    assert np.bincount(labels[train]).tolist() == [1, 1, 1]
    assert np.bincount(labels[held_out]).tolist() == [9, 0, 1]


def test_groups_stay_together():
    # Patients 0 to 19 with three pictures each, of two classes; the last has all there are of a third.
    groups = np.repeat(np.arange(20), 3)
    labels = np.tile([0, 0, 1], 20)
    labels[57:] = 2
    train, held_out = hold_out(labels, 0.25, seed=1, groups=groups)
    assert set(groups[train]).isdisjoint(groups[held_out])
    assert sorted([*train, *held_out]) == list(range(60))
    assert 9 <= (labels[held_out] == 0).sum() <= 12  # a quarter of 38, in whole patients
    assert 2 in labels[train]
    assert 2 not in labels[held_out]


def test_groups_of_one_are_as_none():
    labels = np.repeat([0, 1, 2], [100, 50, 4])
    alone = hold_out(labels, 0.1, seed=3, groups=np.arange(154)[::-1])
    for ours, theirs in zip(alone, hold_out(labels, 0.1, seed=3), strict=True):
        np.testing.assert_array_equal(ours, theirs)
