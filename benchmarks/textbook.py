"""The training that introductions to PyTorch show: fp32, contiguous memory, the loss read at every step.

`python -m benchmarks.textbook MODEL BATCH_SIZE IMAGES` prints images a second. In a process of its own, so
that nothing of how this project sets torch and its memory up makes it faster.
"""

import subprocess
import sys
import time

import torch
from torch.nn import functional as F

from benchmarks.epoch import random_split
from src.command import run_main
from src.models.registry import create_model


def images_per_second(model: str, batch_size: int, images: int) -> float:
    """Run this module in a process of its own; returns images per second."""
    command = [sys.executable, "-m", "benchmarks.textbook", model, str(batch_size), str(images)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main(name: str, batch_size: int, images: int) -> None:
    """Train on images in memory, without augmentation or figures."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    split = random_split(images)
    inputs = torch.from_numpy(split.images).permute(0, 3, 1, 2).contiguous().to(device) / 64 - 2
    targets = torch.from_numpy(split.labels).to(device)
    batches = list(zip(inputs.split(batch_size), targets.split(batch_size), strict=True))
    model = create_model(name, 10).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for number, (inputs, targets) in enumerate([batches[0], *batches]):
        if number == 1:  # the first step chooses kernels
            started = time.perf_counter()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        loss.item()
    print(images / (time.perf_counter() - started))


if __name__ == "__main__":
    run_main("textbook", lambda: main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
