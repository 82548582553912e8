"""Grad-CAM: which parts of an image speak for a class.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", 2017.
"""

from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import Tensor
from torch.nn import functional as F

from src import distributed
from src.data.images import Images
from src.data.normalization import to_device
from src.evaluation.inference import Answerer, predict_views, probabilities
from src.hardware import Hardware
from src.models.layers import Layer

BATCH_SIZE = 100  # images per step; gradients take more memory than predictions


def gradcam(
    answerer: Answerer, layer: Layer, images: Tensor, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One map an image: the layer's channels, weighted by the mean gradient of the target's logit.

    The logit is that of the answer, a mean over views; so the map is the mean of the views' maps, each turned
    back to where it is in the image. Negative evidence is kept (the paper's ReLU is left to whoever draws the
    map), so that maps can be added up and compared.

    Args:
        answerer: on the device of `images`, in fp32.
        layer: from `src.models.layers.find_layer`.
        images: uint8 (N, H, W, 3).
        targets: int64 (N,), the class each map speaks for.

    Returns:
        Maps, float32 (N, layer.height, layer.width), in units of the logit; and the logits that they explain,
        float32 (N, classes).
    """
    logits: list[Tensor] = []

    def forward(images: Tensor) -> Tensor:
        logits.append(answerer.answer(images))
        return logits[-1]

    explain = LayerGradCam(forward, answerer.model.get_submodule(layer.name))
    maps = explain.attribute(images, torch.from_numpy(targets).to(images.device), relu_attributions=False)
    by_view = maps.detach().unflatten(0, (len(answerer.views), -1))
    turned = [
        view.turn_back(of_view, *images.shape[1:3])
        for view, of_view in zip(answerer.views, by_view, strict=True)
    ]
    # The sum: the gradient of a mean is already a share of each view's.
    total = torch.stack(turned).sum(0)
    return total.squeeze(1).cpu().numpy(), logits[0].detach().cpu().numpy()


def enlarge(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Maps (N, h, w) at another size (N, height, width), bilinear."""
    enlarged = F.interpolate(
        torch.from_numpy(maps)[:, None], (height, width), mode="bilinear", align_corners=False
    )
    return enlarged[:, 0].numpy()


def to_bytes(maps: np.ndarray) -> np.ndarray:
    """Positive evidence (N, h, w) as uint8, 255 the highest of each map; a map without any is all 0."""
    top = maps.max((1, 2), keepdims=True)
    return np.round(255 * np.clip(maps, 0, None) / np.where(top > 0, top, 1)).astype(np.uint8)


@dataclass(frozen=True)
class Explainer:
    """What explains the answers to stored images, uint8 (N, H, W, 3).

    `answerer` is on the device of `hardware`.
    """

    answerer: Answerer
    hardware: Hardware

    def explain(self, images: Images, layer: Layer, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Grad-CAM for one target per image: maps and logits, see `gradcam`; processes share the steps."""
        step = max(BATCH_SIZE // len(self.answerer.views), 1)

        def explain_part(start: int) -> tuple[np.ndarray, np.ndarray]:
            part = slice(start, start + step)
            batch = to_device(images[part], self.hardware.device)
            return gradcam(self.answerer, layer, batch, targets[part])

        parts = distributed.do_in_turn(explain_part, range(0, len(images), step))
        if not parts:
            return np.zeros((0, layer.height, layer.width), np.float32), np.zeros((0, 0), np.float32)
        maps, logits = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return maps, logits

    def native_maps(self, images: Images, layer: Layer, targets: np.ndarray) -> np.ndarray:
        """Grad-CAM for one target per image, float32 (N, layer.height, layer.width)."""
        return self.explain(images, layer, targets)[0]

    def maps(self, images: Images, layer: Layer, targets: np.ndarray) -> np.ndarray:
        """`native_maps`, enlarged to the size of the images: float32 (N, H, W)."""
        return enlarge(self.native_maps(images, layer, targets), *images.shape[1:3])

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Of each class, float64 (N, classes)."""
        return probabilities(predict_views(self.answerer, images, self.hardware)[0])

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predicted classes, int64 (N,)."""
        return self.probabilities(images).argmax(1)
