"""Augmented images a second on one core: ours, with the seeding of every image, and torchvision's."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

from src.data.augmentation import Augmentation
from src.params import AugmentConfig, load_params

CUTOUT = 8
CROP = load_params().augment.model_copy(update={"pad": 4, "flip": True, "cutout": CUTOUT})
RECIPES = {
    "pad_crop_flip_cutout": CROP,
    "pad_crop_flip_rotate_cutout": CROP.model_copy(update={"rotate": 15}),
}
FILL = 128


def measure(images_per_round: int, rounds: int) -> dict[str, float]:
    """Images a second by recipe, and the ratio to torchvision's; medians over rounds."""
    images = np.random.default_rng(0).integers(0, 256, (images_per_round, 32, 32, 3), np.uint8)
    batches = np.array_split(np.arange(images_per_round), images_per_round // 100)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    figures = {}
    for name, recipe in RECIPES.items():
        augmentation = Augmentation(recipe, images, [FILL / 255] * 3, 0)
        transform = torchvision_recipe(recipe)

        def ours(augmentation: Augmentation = augmentation) -> None:
            for batch in batches:
                augmentation(batch, 0)

        def theirs(transform: Callable[[Image.Image], torch.Tensor] = transform) -> None:
            for batch in batches:
                torch.stack([transform(Image.fromarray(images[index])) for index in batch])

        pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds + 1)][1:]
        figures[f"{name}_images_per_s"] = median(images_per_round / a for a, _ in pairs)
        figures[f"{name}_over_torchvision"] = median(b / a for a, b in pairs)
    torch.set_num_threads(threads)
    return figures


def torchvision_recipe(recipe: AugmentConfig) -> v2.Compose:
    """The same in the usual way: PIL images, as torchvision's own CIFAR-10 hands them out."""
    share = (CUTOUT / 32) ** 2
    steps = [v2.RandomCrop(32, padding=recipe.pad, fill=FILL), v2.RandomHorizontalFlip()]
    if recipe.rotate:
        steps.append(v2.RandomRotation(recipe.rotate, v2.InterpolationMode.BICUBIC, fill=FILL))
    steps += [v2.PILToTensor(), v2.RandomErasing(1.0, (share, share), (1.0, 1.0), FILL)]
    return v2.Compose(steps)


def seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
