"""Augmented images a second on one core, seeding of every image included."""

import time
from statistics import median

import numpy as np

from src.augmentation import Augmentation
from src.params import Augment

RECIPES = {
    "pad_crop_flip_cutout": Augment(pad=4, flip=True, rotate=0, cutout=8),
    "pad_crop_flip_rotate_cutout": Augment(pad=4, flip=True, rotate=15, cutout=8),
}


def measure(images_per_round: int, rounds: int) -> dict[str, float]:
    """Images a second by recipe, the median over rounds."""
    images = np.random.default_rng(0).integers(0, 256, (images_per_round, 32, 32, 3), np.uint8)
    batches = np.array_split(np.arange(images_per_round), images_per_round // 100)
    figures = {}
    for name, recipe in RECIPES.items():
        augmentation = Augmentation(recipe, images, [0.5] * 3, 0)
        rates = []
        for epoch in range(rounds + 1):
            started = time.perf_counter()
            for batch in batches:
                augmentation(batch, epoch)
            rates.append(images_per_round / (time.perf_counter() - started))
        figures[f"{name}_images_per_s"] = median(rates[1:])
    return figures
