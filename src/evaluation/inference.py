"""From stored images to logits."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from src.data.images import Images
from src.data.normalization import to_device
from src.evaluation import scores
from src.hardware import Hardware

BATCH_SIZE = 500  # images per step when nothing is trained


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
    images: Images,
    normalize: Callable[[Tensor], Tensor],
    hardware: Hardware,
    tta: str,
    batch_size: int = BATCH_SIZE,
) -> np.ndarray:
    """The model's answers to every view of the images, without gradients.

    Args:
        model: on the hardware's device; put into evaluation mode here and left there.
        images: uint8 (N, H, W, 3).
        normalize: what the model was trained with.
        hardware: device and precision.
        tta: see `views`.
        batch_size: images per step.

    Returns:
        Logits, float32 (views, N, classes); the first view is the images themselves.
    """
    model.eval()
    logits = []
    with torch.inference_mode(), hardware.autocast():
        for start in range(0, len(images), batch_size):
            batch = normalize(to_device(images[start : start + batch_size], hardware.device))
            logits.append(torch.stack([model(view).float() for view in views(batch, tta)]))
    return torch.cat(logits, dim=1).cpu().numpy()


def average(views: np.ndarray) -> np.ndarray:
    """Logits of several views (views, N, classes) to probabilities, float64 (N, classes).

    The mean is that of the logits.
    """
    return np.exp(scores.log_softmax(views.mean(0)))


def predict_logits(
    model: nn.Module,
    images: Images,
    normalize: Callable[[Tensor], Tensor],
    hardware: Hardware,
    batch_size: int = BATCH_SIZE,
) -> np.ndarray:
    """Logits of the images themselves, without test-time augmentation: float32 (N, classes)."""
    return predict_views(model, images, normalize, hardware, "none", batch_size)[0]
