"""From stored images to the model's answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from src import distributed
from src.data.images import Images
from src.data.normalization import Normalize, to_device
from src.evaluation import scores
from src.evaluation.views import VIEWS, seen
from src.hardware import Hardware
from src.models.trained import TrainedModel

BATCH_SIZE = 500  # images per step when nothing is trained


class Answerer(nn.Module):
    """A trained model as everybody asks it: bytes in, one answer an image out.

    The table of predictions, heatmaps and their checks, `predict` and exported files all use `answer`: none
    of them is about another function than the others.

    Args:
        model: put into evaluation mode here.
        normalize: what it was trained with, on its device.
        tta: a key of `VIEWS`.
    """

    def __init__(self, model: nn.Module, normalize: nn.Module, tta: str) -> None:
        super().__init__()
        self.model, self.normalize, self.views = model.eval(), normalize, VIEWS[tta]

    def answer(self, images: Tensor) -> Tensor:
        """The mean of the logits of all views: uint8 (N, H, W, 3) to float32 (N, classes)."""
        return mean_of_views(self.view_logits(images))

    def forward(self, images: Tensor) -> Tensor:
        """`answer`, by the name that torch's and Captum's tools call."""
        return self.answer(images)

    def view_logits(self, images: Tensor) -> Tensor:
        """Logits of each view, (views, N, classes); the first is the image itself."""
        # All at once: an exported file holds the network once, not once for each view.
        logits = self.model(seen(self.normalize(images), self.views))
        return logits.unflatten(0, (len(self.views), -1))


def answerer_of(trained: TrainedModel, tta: str, hardware: Hardware) -> Answerer:
    """A trained model, with what its images are normalized by, on the hardware's device."""
    normalize = Normalize(trained.mean, trained.std, hardware.device)
    return Answerer(hardware.place(trained.model), normalize, tta)


def mean_of_views(logits: Tensor) -> Tensor:
    """(views, N, classes) to (N, classes)."""
    return logits.mean(0)


def predict_views(
    answerer: Answerer, images: Images, hardware: Hardware, batch_size: int = BATCH_SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """The answers to stored images, and what was answered to the images themselves.

    Several processes share the steps; each gets all answers, the same as one alone would.

    Args:
        answerer: on the hardware's device.
        images: uint8 (N, H, W, 3).
        hardware: where the images have to go.
        batch_size: images per step, all views counted.

    Returns:
        Logits, twice float32 (N, classes): the mean of the views, and the first view.
    """
    step = max(batch_size // len(answerer.views), 1)

    def answer(start: int) -> Tensor:
        views = answerer.view_logits(to_device(images[start : start + step], hardware.device))
        return torch.stack([mean_of_views(views), views[0]])

    with torch.inference_mode():
        both = torch.cat(distributed.do_in_turn(answer, range(0, len(images), step)), 1).cpu().numpy()
    return both[0], both[1]


@contextmanager
def recorded_embeddings(head: nn.Module, views: int) -> Iterator[list[np.ndarray]]:
    """Within the block, what the last layer judges by is kept whenever an `Answerer` is asked here.

    The answers stay the same, and nothing is computed twice.

    Args:
        head: the last layer of the answerer's model, which takes features (views × N, features).
        views: how many the answerer has.

    Yields:
        A list that each step adds to: float16 (N, features), of the images themselves, the first view.
        What is beyond float16 becomes its largest number.
    """
    steps: list[np.ndarray] = []
    most = torch.finfo(torch.float16).max

    def record(_: nn.Module, inputs: tuple[Tensor]) -> None:
        first = inputs[0].unflatten(0, (views, -1))[0]
        steps.append(first.float().clamp(-most, most).half().cpu().numpy())

    hook = head.register_forward_pre_hook(record)
    try:
        yield steps
    finally:
        hook.remove()


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Of logits (N, classes): float64 (N, classes)."""
    return np.exp(scores.log_softmax(logits))


def predict_logits(
    model: nn.Module,
    images: Images,
    normalize: Callable[[Tensor], Tensor],
    hardware: Hardware,
    batch_size: int = BATCH_SIZE,
) -> np.ndarray:
    """What is validated while a model is trained: the images alone, in the precision of the training.

    Several processes share the steps; each gets all answers, the same as one alone would.

    Args:
        model: on the hardware's device; put into evaluation mode here and left there.
        images: uint8 (N, H, W, 3), or whatever else `normalize` takes.
        normalize: what the model is trained with.
        hardware: device and precision.
        batch_size: images per step.

    Returns:
        Logits, float32 (N, classes).
    """
    model.eval()

    def answer(start: int) -> Tensor:
        return model(normalize(to_device(images[start : start + batch_size], hardware.device))).float()

    with torch.inference_mode(), hardware.autocast():
        logits = distributed.do_in_turn(answer, range(0, len(images), batch_size))
    return torch.cat(logits).cpu().numpy()
