import hashlib
from collections import Counter

import numpy as np
import pytest

from src.data.augmentation import Augmentation, randaugment, unused_by_features
from src.params import AugmentConfig

OFF = {
    "pad": 0,
    "scale": 0,
    "flip": False,
    "rotate": 0,
    "color": 0,
    "policy": "none",
    "mix": "none",
    "cutout": 0,
}
MEAN = [0.5, 0.2, 0.0]
FILL = [128, 51, 0]


def augmentation(images: np.ndarray, seed: int = 0, **changes: object) -> Augmentation:
    return Augmentation(AugmentConfig(**{**OFF, **changes}), images, MEAN, seed)


def test_nothing_switched_on_changes_nothing(random_images):
    few = np.array([3, 1])
    np.testing.assert_array_equal(augmentation(random_images)(few, 1), random_images[few])


def test_flip_turns_half_of_them_left_to_right(random_images):
    flip = augmentation(random_images[:1], flip=True)
    seen = Counter()
    for epoch in range(400):
        [image] = flip(np.array([0]), epoch)
        flipped = np.array_equal(image, random_images[0, :, ::-1])
        assert flipped or np.array_equal(image, random_images[0])
        seen[flipped] += 1
    assert 160 < seen[True] < 240


def test_alternate_flips_every_image_every_other_epoch(random_images):
    made = augmentation(random_images, flip="alternate")
    few = np.arange(12)
    first, second, third = (made(few, epoch) for epoch in (1, 2, 3))
    np.testing.assert_array_equal(first, third)
    np.testing.assert_array_equal(second, first[:, :, ::-1])
    flipped = [not np.array_equal(a, b) for a, b in zip(first, random_images, strict=True)]
    assert 0 < sum(flipped) < 12  # not all at once
    other = augmentation(random_images, seed=1, flip="alternate")(few, 1)
    assert not np.array_equal(first, other)


def test_pad_and_crop_shifts_by_at_most_the_padding_and_fills_with_the_mean(random_images):
    crop = augmentation(random_images[:1], pad=2)
    padded = np.full((36, 36, 3), FILL, np.uint8)
    padded[2:34, 2:34] = random_images[0]
    seen = set()
    for epoch in range(300):
        [image] = crop(np.array([0]), epoch)
        places = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if np.array_equal(image, padded[y : y + 32, x : x + 32])
        ]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) == 25


@pytest.mark.parametrize("size", [1, 8, 7, 32])
def test_cutout_covers_one_square_with_the_mean(size):
    images = np.full((1, 32, 32, 3), 255, np.uint8)
    cutout = augmentation(images, cutout=size)
    areas = []
    for epoch in range(200):
        [image] = cutout(np.array([0]), epoch)
        covered = (image == FILL).all(axis=2)
        assert (image[~covered] == 255).all()
        lines, columns = covered.any(axis=1), covered.any(axis=0)
        assert covered.sum() == lines.sum() * columns.sum()  # a rectangle: the square, less what is outside
        assert max(lines.sum(), columns.sum()) <= size
        areas.append(int(covered.sum()))
    assert max(areas) == size * size or size == 32
    assert images.min() == 255  # the dataset itself is left alone


def test_rotation_stays_within_its_angle_and_fills_with_the_mean():
    # A white bar from the center to the right: its far end tells the angle.
    images = np.zeros((1, 33, 33, 3), np.uint8)
    images[0, 16, 16:] = 255
    rotate = augmentation(images, rotate=20)
    angles = []
    for epoch in range(200):
        [image] = rotate(np.array([0]), epoch)
        end = int(np.argmax(image[:, 28, 1].astype(int)))
        angles.append(np.degrees(np.arctan2(16 - end, 12)))
    assert -23 < min(angles) < -12
    assert 12 < max(angles) < 23
    corner = augmentation(np.full((1, 32, 32, 3), 255, np.uint8), rotate=180)
    assert any((corner(np.array([0]), epoch)[0, 0, 0] == FILL).all() for epoch in range(20))


def test_rotation_keeps_fine_detail(tiny):
    images = tiny.train.images
    rotated = augmentation(images, rotate=18)(np.arange(len(images)), 1)

    def detail(of: np.ndarray) -> float:
        center = of[:, 8:24, 8:24].astype(float)
        return float(np.square(np.diff(center, n=2, axis=2)).mean())

    assert detail(rotated) > 0.75 * detail(images)  # bilinear: 0.55


@pytest.mark.parametrize("flip", [True, "alternate"])
def test_an_image_depends_on_seed_epoch_and_index_alone(random_images, flip):
    everything = {"pad": 4, "flip": flip, "rotate": 10, "cutout": 8}
    together = augmentation(random_images, **everything)(np.arange(12), 5)
    other = augmentation(random_images, **everything)
    other(np.array([4, 9]), 2)  # what came before does not matter
    np.testing.assert_array_equal(other(np.array([7, 3]), 5), together[[7, 3]])
    assert not np.array_equal(augmentation(random_images, **everything)(np.arange(12), 6), together)
    assert not np.array_equal(augmentation(random_images, 1, **everything)(np.arange(12), 5), together)


def test_the_same_image_at_two_indices_and_epochs_is_changed_differently():
    # A hundred copies of one image: no two epochs or indices may share a stream.
    copies = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8), 100, axis=0)
    made = augmentation(copies, pad=4, flip=True, cutout=8)
    seen = {image.tobytes() for epoch in (0, 1) for image in made(np.arange(100), epoch)}
    assert len(seen) > 195


def test_decisions_are_independent_of_each_other():
    # Shift and flip of one image, over many epochs: a shared stream would tie them together.
    images = np.zeros((1, 32, 32, 3), np.uint8)
    images[0, :, :16] = 200  # bright on the left
    images[0, 0] = 100
    made = augmentation(images, pad=1, flip=True)
    seen = Counter()
    for epoch in range(600):
        [image] = made(np.array([0]), epoch)
        flipped = image[16, 20, 0] == 200
        down = (image[0] == FILL).all()
        seen[bool(flipped), bool(down)] += 1
    for down in (False, True):
        share = seen[True, down] / (seen[True, down] + seen[False, down])
        assert 0.4 < share < 0.6


@pytest.mark.parametrize(
    ("changes", "sha256"),
    [
        ({"pad": 2, "flip": "alternate"}, "c28459e1b441aff2"),
        ({"pad": 4, "flip": True, "rotate": 18, "cutout": 16}, "6b9b9cf4329f2bab"),
    ],
)
def test_what_published_results_were_trained_on_keeps_its_bytes(random_images, changes, sha256):
    made = augmentation(random_images, seed=3, **changes)(np.arange(12), 2)
    assert hashlib.sha256(made.tobytes()).hexdigest().startswith(sha256)


def gradients() -> np.ndarray:
    """One image: red grows to the right, green downwards, from 0 to 252."""
    image = np.zeros((1, 64, 64, 3), np.uint8)
    image[0, ..., 0] = 4 * np.arange(64)
    image[0, ..., 1] = 4 * np.arange(64)[:, None]
    return image


def test_a_random_crop_shows_at_least_the_share_asked_for():
    crop = augmentation(gradients(), scale=0.4)
    shares, ratios = [], []
    for epoch in range(300):
        [image] = crop(np.array([0]), epoch).astype(int)
        width = (image[32, 60, 0] - image[32, 3, 0]) / (4 * 57)  # of the part shown, as a share
        height = (image[60, 32, 1] - image[3, 32, 1]) / (4 * 57)
        shares.append(width * height)
        ratios.append(width / height)
    assert 0.36 < min(shares) < 0.5
    assert 0.9 < max(shares) < 1.04
    assert 0.7 < min(ratios) < 0.85
    assert 1.2 < max(ratios) < 1.42


def test_colors_change_by_at_most_the_share_asked_for():
    gray = np.full((1, 32, 32, 3), 100, np.uint8)  # contrast and saturation leave it alone
    jitter = augmentation(gray, color=0.3)
    seen = [int(jitter(np.array([0]), epoch)[0, 0, 0, 0]) for epoch in range(200)]
    assert 68 <= min(seen) < 80
    assert 120 < max(seen) <= 132
    hue = augmentation(np.full((1, 8, 8, 3), (200, 100, 100), np.uint8), color=0.3)
    for epoch in range(50):
        red, green, blue = hue(np.array([0]), epoch)[0, 0, 0]
        assert red > green == blue


def test_randaugment_makes_two_changes_of_ten(random_images, monkeypatch):
    assert len(randaugment((0, 0, 0)).transforms) == 10
    made = augmentation(gradients(), policy="randaugment")
    seen = {made(np.array([0]), epoch).tobytes() for epoch in range(100)}
    assert len(seen) > 90
    drawn = Counter()
    policy = randaugment((0, 0, 0))
    policy.set_random_seed(0)
    for _ in range(2000):
        chosen = policy._get_idx()
        assert len(chosen) == 2
        drawn.update(chosen.tolist())
    assert min(drawn[index] for index in range(10)) > 300  # of 400 on average


def test_photographs_depend_on_seed_epoch_and_index_alone(random_images):
    everything = {"scale": 0.3, "flip": True, "color": 0.4, "policy": "randaugment"}
    together = augmentation(random_images, **everything)(np.arange(12), 5)
    other = augmentation(random_images, **everything)
    other(np.array([4, 9]), 2)
    np.testing.assert_array_equal(other(np.array([7, 3]), 5), together[[7, 3]])
    assert not np.array_equal(other(np.arange(12), 6), together)
    again = other(np.array([7 + 12]), 5)  # a second time in an epoch: another change to the same image
    assert not np.array_equal(again[0], together[7])


def test_features_have_no_use_for_changes_but_flips():
    config = AugmentConfig(**{**OFF, "flip": True})
    assert unused_by_features(config) == []
    changed = config.model_copy(update={"scale": 0.3, "policy": "randaugment", "mix": "mixup"})
    assert unused_by_features(changed) == ["augment.scale", "augment.policy", "augment.mix"]
