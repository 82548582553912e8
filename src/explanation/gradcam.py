"""Grad-CAM: which parts of an image speak for a class.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", 2017.
"""

from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torch.nn import functional as F

from src.data.images import Images
from src.data.normalization import Normalize, to_device
from src.evaluation.inference import predict_logits
from src.evaluation.scores import log_softmax
from src.hardware import Hardware
from src.models.layers import Layer

BATCH_SIZE = 100  # images per step; gradients take more memory than predictions


def gradcam(model: nn.Module, layer: Layer, images: Tensor, targets: np.ndarray) -> np.ndarray:
    """One map an image: the layer's channels, weighted by the mean gradient of the target's logit.

    Negative evidence is kept (the paper's ReLU is left to whoever draws the map), so that maps can be added
    up and compared.

    Args:
        model: in evaluation mode, fp32, on the device of `images`.
        layer: from `src.models.layers.find_layer`.
        images: normalized (N, 3, H, W).
        targets: int64 (N,), the class each map speaks for.

    Returns:
        float32 (N, layer.height, layer.width), in units of the logit.
    """
    explain = LayerGradCam(model, model.get_submodule(layer.name))
    maps = explain.attribute(images, torch.from_numpy(targets).to(images.device), relu_attributions=False)
    return maps.detach().squeeze(1).cpu().numpy()


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
    """A model with what it takes to explain stored images, uint8 (N, H, W, 3).

    `model` is on the device of `hardware`.
    """

    model: nn.Module
    normalize: Normalize
    hardware: Hardware

    def inputs(self, images: np.ndarray) -> Tensor:
        """uint8 (N, H, W, 3) to the model's input."""
        return self.normalize(to_device(images, self.hardware.device))

    def native_maps(self, images: Images, layer: Layer, targets: np.ndarray) -> np.ndarray:
        """Grad-CAM for one target per image, float32 (N, layer.height, layer.width)."""
        self.model.eval()
        maps = np.zeros((len(images), layer.height, layer.width), np.float32)
        for start in range(0, len(images), BATCH_SIZE):
            part = slice(start, start + BATCH_SIZE)
            maps[part] = gradcam(self.model, layer, self.inputs(images[part]), targets[part])
        return maps

    def maps(self, images: Images, layer: Layer, targets: np.ndarray) -> np.ndarray:
        """`native_maps`, enlarged to the size of the images: float32 (N, H, W)."""
        return enlarge(self.native_maps(images, layer, targets), *images.shape[1:3])

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Of each class, float64 (N, classes)."""
        return np.exp(log_softmax(predict_logits(self.model, images, self.normalize, self.hardware)))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predicted classes, int64 (N,)."""
        return self.probabilities(images).argmax(1)
