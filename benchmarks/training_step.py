"""Our training loop against a textbook one, for the same network, batch size and images."""

import time
from statistics import median

import torch
from torch.nn import functional as F

from benchmarks.epoch import random_split, seconds_an_epoch
from src import hardware, models, params


def measure(settings: params.Params, steps: int, rounds: int) -> dict[str, float]:
    """Images a second of both, each the median over rounds, and the median ratio.

    Ours is the real thing, in the precision that `auto` chooses. The textbook's is fp32 in contiguous memory,
    on images that are in memory and normalised.
    """
    used = hardware.choose(settings.device, settings.precision, lambda _: None)
    hardware.set_up(settings.threads, settings.deterministic)
    split = random_split(steps * settings.batch_size)
    inputs = torch.from_numpy(split.images).permute(0, 3, 1, 2).contiguous().to(used.device) / 64 - 2
    targets = torch.from_numpy(split.labels).to(used.device)
    batches = list(zip(inputs.split(settings.batch_size), targets.split(settings.batch_size), strict=True))

    def ours() -> float:
        return len(split) / seconds_an_epoch(settings, used, split)

    def textbook() -> float:
        model = models.create(settings.model, 10, settings.norm).to(used.device).train()
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
        started = time.perf_counter()
        for batch, target in batches:
            optimiser.zero_grad()
            loss = F.cross_entropy(model(batch), target)
            loss.backward()
            optimiser.step()
            loss.item()
        return len(split) / (time.perf_counter() - started)

    ours(), textbook()  # the first steps choose kernels
    pairs = [(ours(), textbook()) for _ in range(rounds)]
    return {
        "ours_images_per_s": median(a for a, _ in pairs),
        "textbook_images_per_s": median(b for _, b in pairs),
        "ratio": median(a / b for a, b in pairs),
    }
