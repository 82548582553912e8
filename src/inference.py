"""From stored images to logits."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.hardware import Hardware

BATCH = 500  # images a step when nothing is trained


class Normalise:
    """Bytes to what a model takes: zero mean and unit variance by the training split's figures.

    Args:
        mean, std: per channel, of values from 0 to 1.
        device: where it happens. Images travel as bytes, a quarter of the size.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        self.mean = 255 * torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self.std = 255 * torch.tensor(std, device=device).view(1, 3, 1, 1)

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) to float32 (N, 3, H, W), channels last in memory as it was."""
        return (images.permute(0, 3, 1, 2) - self.mean) / self.std


def to_device(images: np.ndarray, device: torch.device) -> Tensor:
    """A copy of stored images (uint8, any shape) on the device."""
    # np.array, because torch does not take the read-only memory of a file.
    return torch.from_numpy(np.array(images)).to(device)


def views(images: Tensor, tta: str) -> Iterator[Tensor]:
    """What test-time augmentation makes of images (N, 3, H, W), the images themselves first.

    Args:
        images: as the model takes them.
        tta: `none`; `flip`, left and right swapped as well; `flip_shift`, both of these also moved by a pixel
            up and left, and down and right, where the edge is mirrored.
    """
    moved = [images]
    if tta == "flip_shift":
        padded = F.pad(images, (1, 1, 1, 1), mode="reflect")
        moved += [padded[..., 2:, 2:], padded[..., :-2, :-2]]
    for view in moved:
        yield view
        if tta != "none":
            yield view.flip(3)


def predict_views(
    model: nn.Module,
    images: np.ndarray,
    normalise: Normalise,
    hardware: Hardware,
    tta: str,
    batch_size: int = BATCH,
) -> np.ndarray:
    """What the model makes of every view of the images, without gradients.

    Args:
        model: on the hardware's device; put into evaluation mode here and left there.
        images: uint8 (N, H, W, 3).
        normalise: what the model was trained with.
        hardware: device and precision.
        tta: see `views`.
        batch_size: images a step.

    Returns:
        Logits, float32 (views, N, classes); the first view is the images themselves.
    """
    model.eval()
    logits = []
    with torch.inference_mode(), hardware.autocast():
        for start in range(0, len(images), batch_size):
            batch = normalise(to_device(images[start : start + batch_size], hardware.device))
            logits.append(torch.stack([model(view).float() for view in views(batch, tta)]))
    return torch.cat(logits, dim=1).cpu().numpy()


def predict_logits(
    model: nn.Module,
    images: np.ndarray,
    normalise: Normalise,
    hardware: Hardware,
    batch_size: int = BATCH,
) -> np.ndarray:
    """The same for the images themselves alone: float32 (N, classes)."""
    return predict_views(model, images, normalise, hardware, "none", batch_size)[0]
