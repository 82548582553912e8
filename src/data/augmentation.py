"""Random changes to training images, the same for the same (seed, epoch, index) wherever they are made."""

import os
import random
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would look for its newest version on the network

import albumentations as A
import cv2
import numpy as np

from src.data.images import Images
from src.params import AugmentConfig

cv2.setNumThreads(0)  # an image this small is done before a second thread has started

Color = tuple[int, int, int]  # red, green, blue from 0 to 255


class Cutout(A.ImageOnlyTransform):
    """Covers a square whose center is anywhere in the image; what lies outside the image is lost.

    DeVries & Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017. Ten times
    as fast at 32×32 as `albumentations.CoarseDropout`, which keeps the square inside.

    Args:
        size: side of the square in pixels.
        fill: its color, red, green, blue from 0 to 255.
    """

    def __init__(self, size: int, fill: Color) -> None:
        super().__init__(p=1.0)
        self.size, self.fill = size, fill

    def get_params_dependent_on_data(self, params: dict, data: dict) -> dict[str, int]:
        height, width = params["shape"][:2]
        return {
            "top": self.py_random.randrange(height) - self.size // 2,
            "left": self.py_random.randrange(width) - self.size // 2,
        }

    def apply(self, img: np.ndarray, top: int, left: int, **_: object) -> np.ndarray:
        img = img.copy()  # it may still be a view of the dataset
        img[max(top, 0) : top + self.size, max(left, 0) : left + self.size] = self.fill
        return img


def randaugment(fill: Color) -> A.BaseCompose:
    """Two changes of ten, each drawn anew, with a strength that is drawn too.

    Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space", 2020. It
    deviates in three points: a strength is uniform up to a largest one instead of always the same, so that
    there is none to search for; posterizing and doing nothing are left out; shearing and shifting are one
    change each, in both directions at once.

    Args:
        fill: color of the pixels that come in from outside.
    """
    border: dict[str, Any] = {"border_mode": cv2.BORDER_CONSTANT, "fill": fill, "p": 1.0}
    still: dict[str, Any] = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
    changes: list[A.BasicTransform] = [
        A.Rotate((-20, 20), interpolation=cv2.INTER_CUBIC, **border),
        A.Affine(shear=(-12, 12), interpolation=cv2.INTER_CUBIC, **border),
        A.Affine(translate_percent=(-0.15, 0.15), **border),
        *(
            A.ColorJitter(**{**still, what: (0.5, 1.5)}, p=1.0)
            for what in ("brightness", "contrast", "saturation")
        ),
        A.Sharpen(alpha=(0.1, 0.6), lightness=(1.0, 1.0), p=1.0),
        A.AutoContrast(p=1.0),
        A.Equalize(p=1.0),
        A.Solarize(threshold_range=(0.5, 1.0), p=1.0),
    ]
    return A.RandomOrder(changes, n=2, replace=True, p=1.0)


@dataclass(frozen=True)
class _KeyedGenerators:
    """Generators that every transform draws from, keyed anew for each image.

    One keyed stream an image makes results independent of the number of workers and of the epochs that ran
    before. Setting the state in place takes 3 µs; new generators would take 40.
    """

    bits: np.random.Philox
    numpy: np.random.Generator
    python: random.Random

    @classmethod
    def create(cls) -> "_KeyedGenerators":
        bits = np.random.Philox()
        return cls(bits, np.random.Generator(bits), random.Random())  # noqa: S311

    def set_key(self, seed: int, epoch: int, index: int) -> None:
        image = epoch << 32 | index
        self.bits.state = {
            "bit_generator": "Philox",
            "state": {
                "counter": np.zeros(4, np.uint64),
                "key": np.array([seed, image], np.uint64),
            },
            "buffer": np.zeros(4, np.uint64),
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        self.python.seed(seed << 64 | image)


class Augmentation:
    """Pad, crop, flip, rotate, recolor and cut out, as the parameters ask; new pixels have the mean color.

    `flip: alternate` swaps left and right of half of the images in odd epochs, and of the other half in even
    ones, so that two epochs show every image both ways; Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single
    GPU", 2024.

    Args:
        config: which of them, and how strong.
        images: uint8 (N, H, W, 3), the images that will be augmented.
        mean: per channel, from 0 to 1.
        seed: together with epoch and index it fixes what happens to an image.
    """

    def __init__(self, config: AugmentConfig, images: Images, mean: list[float], seed: int) -> None:
        self.seed = seed
        _, height, width, _ = images.shape
        red, green, blue = (round(255 * channel) for channel in mean)
        fill = (red, green, blue)
        pad = config.pad
        transforms: list[A.BasicTransform] = []
        self.padded = None
        if pad:
            # One canvas for all, of which each image covers the middle.
            self.padded = np.full((height + 2 * pad, width + 2 * pad, 3), fill, np.uint8)
            self.middle = self.padded[pad : pad + height, pad : pad + width]
            transforms.append(A.RandomCrop(height, width))
        if config.scale:
            # Bicubic, as below. What is cut out is never larger than the image: no need to smooth first.
            crop = A.RandomResizedCrop(
                (height, width), (config.scale, 1.0), (3 / 4, 4 / 3), interpolation=cv2.INTER_CUBIC, p=1.0
            )
            transforms.append(crop)
        if config.flip is True:
            transforms.append(A.HorizontalFlip(p=0.5))
        if config.rotate:
            limit = (-config.rotate, config.rotate)
            # Bicubic: bilinear takes half of the finest detail (mean squared second difference at 32×32) off
            # every training image, and the test images, which keep theirs, are then another kind of picture.
            transforms.append(
                A.Rotate(
                    limit, interpolation=cv2.INTER_CUBIC, border_mode=cv2.BORDER_CONSTANT, fill=fill, p=1.0
                )
            )
        if config.color:
            factors = (1 - config.color, 1 + config.color)
            transforms.append(A.ColorJitter(factors, factors, factors, hue=(0, 0), p=1.0))
        if config.policy == "randaugment":
            transforms.append(randaugment(fill))
        if config.cutout:
            transforms.append(Cutout(config.cutout, fill))
        self.images, self.size = images, (height, width)
        self.flipped_first = None
        if config.flip == "alternate":
            self.flipped_first = np.random.default_rng(seed).integers(0, 2, len(images))
        self.generators = _KeyedGenerators.create()
        self.transform = A.Compose(transforms, strict=True)
        self.transform.set_random_state(self.generators.numpy, self.generators.python)

    def __call__(self, indices: np.ndarray, epoch: int) -> np.ndarray:
        """Augmented copies of the images at `indices`: uint8 (len(indices), H, W, 3).

        Args:
            indices: int64; one beyond the last image starts over at the first, but changes it in another way.
            epoch: from 1 on.
        """
        batch = np.empty((len(indices), *self.size, 3), np.uint8)
        for row, key in enumerate(indices.tolist()):
            self.generators.set_key(self.seed, epoch, key)
            index = key % len(self.images)
            image = self.images[index]
            if self.flipped_first is not None and (epoch + self.flipped_first[index]) % 2:
                image = image[:, ::-1]
            if self.padded is not None:
                self.middle[:] = image
                image = self.padded
            batch[row] = self.transform(image=image)["image"]
        return batch


def unused_by_features(config: AugmentConfig) -> list[str]:
    """The settings that are on, but of no use to features that are computed once; flips are a second view."""
    values = {"pad": 0, "scale": 0, "rotate": 0, "color": 0, "policy": "none", "mix": "none", "cutout": 0}
    return [f"augment.{key}" for key, off in values.items() if getattr(config, key) != off]
