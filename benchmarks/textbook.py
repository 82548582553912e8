"""The training that introductions to PyTorch show: fp32, contiguous memory, the loss read at every step."""

import sys
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src import datasets, models
from src.datasets import Split


def in_memory(split: Split, batch_size: int, device: torch.device) -> list[tuple[Tensor, Tensor]]:
    """Batches that need no loading: float images (B, 3, H, W) on the device, and labels."""
    images = torch.from_numpy(split.images).permute(0, 3, 1, 2).contiguous().to(device) / 64 - 2
    labels = torch.from_numpy(split.labels).to(device)
    return list(zip(images.split(batch_size), labels.split(batch_size), strict=True))


def seconds(model: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]) -> float:
    """One pass over the batches, without augmentation or figures."""
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    started = time.perf_counter()
    for images, labels in batches:
        optimiser.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimiser.step()
        loss.item()
    return time.perf_counter() - started


def main(images: int) -> None:
    """An epoch of ResNet-18 on the first so many of the pipeline's dataset, batch size 128."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dataset = datasets.load()
    model = models.create("resnet18", len(dataset.classes)).to(device)
    split = Split(np.array(dataset.train.images[:images]), np.array(dataset.train.labels[:images]))
    print(seconds(model, in_memory(split, 128, device)) * len(dataset.train) / len(split))


if __name__ == "__main__":
    main(int(sys.argv[1]))
