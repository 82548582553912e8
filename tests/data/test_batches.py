import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from src.data.augmentation import Augmentation
from src.data.batches import TrainingBatches, balanced_weights, worker_count
from src.errors import InputError
from src.params import AugmentConfig
from tests.conftest import ROOT
from tests.starved import needs_namespaces, without_shared_memory

AUGMENT = AugmentConfig(pad=2, scale=0, flip=True, rotate=0, color=0, policy="none", mix="none", cutout=4)


def batches(images: np.ndarray, **options: int) -> TrainingBatches:
    labels = np.arange(len(images))
    return TrainingBatches(Augmentation(AUGMENT, images, [0.5] * 3, 0), labels, 5, seed=0, **options)


def test_an_epoch_holds_every_image_once(random_images):
    made = batches(random_images)
    assert len(made) == 3
    labels = [batch.tolist() for _, batch in made.epoch(1)]
    assert [len(batch) for batch in labels] == [5, 5, 2]
    assert sorted(label for batch in labels for label in batch) == list(range(12))


def test_the_order_changes_with_the_epoch_and_comes_back_with_it(random_images):
    made = batches(random_images)
    first, second, again = ([b.tolist() for _, b in made.epoch(n)] for n in (1, 2, 1))
    assert first != second
    assert first == again


@pytest.mark.parametrize("workers", [1, 2])
def test_the_batches_are_the_same_for_any_number_of_workers(random_images, workers):
    alone, helped = batches(random_images), batches(random_images, workers=workers)
    for epoch in (1, 2):  # the second one tells whether workers notice that an epoch has passed
        for (a, x), (b, y) in zip(alone.epoch(epoch), helped.epoch(epoch), strict=True):
            assert a.dtype == torch.uint8
            assert torch.equal(a, b)
            assert torch.equal(x, y)


def test_making_batches_leaves_torchs_generator_alone(random_images):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    list(batches(random_images).epoch(1))
    assert torch.equal(torch.rand(1), expected)


def test_a_batch_larger_than_the_dataset_is_refused(random_images):
    augmentation = Augmentation(AUGMENT, random_images, [0.5] * 3, 0)
    with pytest.raises(InputError, match="batch_size: 13 is more than the 12 images to train on"):
        TrainingBatches(augmentation, np.arange(12), 13, seed=0)


def test_workers_only_where_they_help(monkeypatch):
    assert worker_count("auto", torch.device("cpu")) == 0
    for cpus, workers in ((1, 1), (2, 1), (4, 3), (64, 8)):
        monkeypatch.setattr("src.data.batches.usable_cpus", lambda cpus=cpus: cpus)
        assert worker_count("auto", torch.device("cuda")) == workers
    assert worker_count(3, torch.device("cpu")) == 3


class Deadly(Augmentation):
    """Takes its process with it."""

    def __call__(self, indices: np.ndarray, epoch: int) -> np.ndarray:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_a_worker_that_dies_ends_in_one_line(random_images):
    deadly = Deadly(AUGMENT, random_images, [0.5] * 3, 0)
    made = TrainingBatches(deadly, np.arange(12), 5, seed=0, workers=1)
    with pytest.raises(InputError, match=r"workers: a process that augments images died .* 0$") as error:
        list(made.epoch(1))
    assert "\n" not in str(error.value)


@needs_namespaces
def test_the_batches_are_the_same_without_shared_memory(random_images, tmp_path):
    np.save(tmp_path / "images.npy", np.tile(random_images, (100, 1, 1, 1)))  # 1.5 MB a batch
    command = [*without_shared_memory("tiny"), sys.executable, "-c", SUMS, str(tmp_path / "images.npy")]
    [alone, helped] = subprocess.check_output(command, cwd=ROOT, text=True, timeout=120).splitlines()
    assert alone == helped


SUMS = """
import hashlib, sys
import numpy as np
from src.data.augmentation import Augmentation
from src.data.batches import TrainingBatches
from tests.data.test_batches import AUGMENT
images = np.load(sys.argv[1])
inputs = Augmentation(AUGMENT, images, [0.5] * 3, 0)
for workers in (0, 4):
    batches = TrainingBatches(inputs, np.arange(len(images)), 500, 0, workers)
    sums = [hashlib.sha256(inputs.numpy()).hexdigest() for inputs, _ in batches.epoch(1)]
    print(*sums)
"""


def test_weights_that_balance_classes_by_hand():
    labels = np.array([0] * 6 + [2] * 2)
    assert balanced_weights(labels, 4).tolist() == [8 / 12, 8 / 2, 8 / 4, 8 / 2]
    assert balanced_weights(labels)[labels].mean() == 1


def unbalanced(seed: int = 0, **options: int) -> TrainingBatches:
    """Of 40 images: 32 of class 0, 6 of class 1, 2 of class 3."""
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)
    labels = np.array([0] * 32 + [1] * 6 + [3] * 2)
    return TrainingBatches(
        Augmentation(AUGMENT, images, [0.5] * 3, 0), labels, 8, seed, balanced=True, **options
    )


def test_the_sampler_draws_every_class_equally_often():
    made = unbalanced()
    counts = np.zeros(4)
    for epoch in range(60):
        labels = np.concatenate([batch.numpy() for _, batch in made.epoch(epoch)])
        assert len(labels) == 40
        counts += np.bincount(labels, minlength=4)
    assert counts[2] == 0
    np.testing.assert_allclose(counts[[0, 1, 3]] / counts.sum(), 1 / 3, atol=0.05)


def test_an_image_drawn_again_is_changed_in_another_way():
    # About 13 draws of two images: 7 of each, all of them different.
    drawn = [image for images, labels in unbalanced().epoch(1) for image in images[labels == 3]]
    assert len({image.numpy().tobytes() for image in drawn}) == len(drawn) > 5


def test_the_sampler_depends_on_seed_and_epoch_alone():
    first = [labels.tolist() for _, labels in unbalanced().epoch(1)]
    assert [labels.tolist() for _, labels in unbalanced().epoch(2)] != first
    assert [labels.tolist() for _, labels in unbalanced(seed=1).epoch(1)] != first
    for (a, x), (b, y) in zip(unbalanced().epoch(1), unbalanced(workers=2).epoch(1), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(x, y)
