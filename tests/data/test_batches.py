import os
import signal

import numpy as np
import pytest
import torch

from src.data.augmentation import Augmentation
from src.data.batches import TrainingBatches, worker_count
from src.errors import InputError
from src.params import AugmentConfig

AUGMENT = AugmentConfig(pad=2, flip=True, rotate=0, cutout=4)


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


def test_workers_only_where_they_help():
    assert worker_count("auto", torch.device("cpu")) == 0
    assert worker_count("auto", torch.device("cuda")) >= 1
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
