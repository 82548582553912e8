"""From stored bytes to what a model takes."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class Normalize(nn.Module):
    """Bytes to zero mean and unit variance, by the training split's figures.

    Args:
        mean, std: per channel, of values from 0 to 1.
        device: where it happens. Images travel as bytes, a quarter of the size.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, 255 * torch.tensor(values, device=device).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) to float32 (N, 3, H, W), channels last in memory as it was."""
        return (images.permute(0, 3, 1, 2) - self.mean) / self.std


def to_device(images: np.ndarray, device: torch.device) -> Tensor:
    """A copy of stored images (uint8, any shape) on the device."""
    # np.array, because torch does not take the read-only memory of a file.
    return torch.from_numpy(np.array(images)).to(device)
