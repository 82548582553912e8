"""Our training loop against a textbook one, for the same network, batch size and images."""

import contextlib
import os
import time
from statistics import median

import numpy as np
import torch
from torch.nn import functional as F

from src import hardware, models, params
from src.augmentation import Augmentation
from src.batches import TrainingBatches, worker_count
from src.datasets import Split
from src.inference import Normalise
from src.training import train

MEAN, STD = [0.5] * 3, [0.25] * 3


def measure(settings: params.Params, steps: int, rounds: int) -> dict[str, float]:
    """Images a second of both, each the median over rounds, and the median ratio.

    Ours is the real thing: `src.training.train` with augmentation, schedule and figures, in the precision
    that `auto` chooses. The textbook's is fp32 in contiguous memory, on images that are in memory and
    normalised.
    """
    used = hardware.choose(settings.device, settings.precision, lambda _: None)
    rng = np.random.default_rng(0)
    count = steps * settings.batch_size
    images = rng.integers(0, 256, (count, 32, 32, 3), np.uint8)
    labels = rng.integers(0, 10, count)

    def ours() -> float:
        model = used.place(models.create(settings.model, 10, settings.norm))
        augmentation = Augmentation(settings.augment, images, MEAN, 0)
        workers = worker_count(settings.workers, used.device)
        batches = TrainingBatches(augmentation, labels, settings.batch_size, 0, workers)
        normalise = Normalise(MEAN, STD, used.device)
        once = settings.model_copy(update={"epochs": 1})
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
            started = time.perf_counter()
            train(model, batches, Split(images[:1], labels[:1]), normalise, used, once, keep_best=False)
        return count / (time.perf_counter() - started)

    inputs = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(used.device) / 64 - 2
    targets = torch.from_numpy(labels).to(used.device)

    def textbook() -> float:
        model = models.create(settings.model, 10, settings.norm).to(used.device).train()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
        started = time.perf_counter()
        for batch, target in zip(
            inputs.split(settings.batch_size), targets.split(settings.batch_size), strict=True
        ):
            optimiser.zero_grad()
            loss = F.cross_entropy(model(batch), target)
            loss.backward()
            optimiser.step()
            loss.item()
        return count / (time.perf_counter() - started)

    ours(), textbook()  # the first steps choose kernels
    pairs = [(ours(), textbook()) for _ in range(rounds)]
    return {
        "ours_images_per_s": median(a for a, _ in pairs),
        "textbook_images_per_s": median(b for _, b in pairs),
        "ratio": median(a / b for a, b in pairs),
    }
