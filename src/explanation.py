"""Grad-CAM: which parts of an image speak for a class.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", 2017.
"""

from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torch.nn import functional as F

from src.hardware import Hardware
from src.inference import Normalise, predict_logits, to_device
from src.layers import Layer
from src.scoring import log_softmax

BATCH = 100  # images a step; gradients take more memory than predictions


def gradcam(model: nn.Module, layer: Layer, images: Tensor, targets: np.ndarray) -> np.ndarray:
    """One map an image: the layer's channels, weighted by the mean gradient of the target's logit.

    Negative evidence is kept (the paper's ReLU is left to whoever draws the map), so that maps can be added
    up and compared.

    Args:
        model: in evaluation mode, fp32, on the device of `images`.
        layer: from `src.layers.find_layer`.
        images: normalised (N, 3, H, W).
        targets: int64 (N,), the class each map speaks for.

    Returns:
        float32 (N, layer.height, layer.width), in units of the logit.
    """
    explain = LayerGradCam(model, model.get_submodule(layer.name))
    maps = explain.attribute(images, torch.from_numpy(targets).to(images.device), relu_attributions=False)
    return maps.detach().squeeze(1).cpu().numpy()


def enlarge(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Maps (N, h, w) at another size (N, height, width), bilinear."""
    grown = F.interpolate(
        torch.from_numpy(maps)[:, None], (height, width), mode="bilinear", align_corners=False
    )
    return grown[:, 0].numpy()


@dataclass(frozen=True)
class Explainer:
    """A model with what it takes to explain stored images, uint8 (N, H, W, 3).

    `model` is on the device of `hardware`.
    """

    model: nn.Module
    normalise: Normalise
    hardware: Hardware

    def inputs(self, images: np.ndarray) -> Tensor:
        """uint8 (N, H, W, 3) to the model's input."""
        return self.normalise(to_device(images, self.hardware.device))

    def native_maps(self, images: np.ndarray, layer: Layer, targets: np.ndarray) -> np.ndarray:
        """Grad-CAM for a target an image, float32 (N, layer.height, layer.width)."""
        self.model.eval()
        maps = np.zeros((len(images), layer.height, layer.width), np.float32)
        for start in range(0, len(images), BATCH):
            part = slice(start, start + BATCH)
            maps[part] = gradcam(self.model, layer, self.inputs(images[part]), targets[part])
        return maps

    def maps(self, images: np.ndarray, layer: Layer, targets: np.ndarray) -> np.ndarray:
        """The same at the size of the images, float32 (N, H, W)."""
        return enlarge(self.native_maps(images, layer, targets), *images.shape[1:3])

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Of each class, float64 (N, classes)."""
        return np.exp(log_softmax(predict_logits(self.model, images, self.normalise, self.hardware)))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Predicted classes, int64 (N,)."""
        return self.probabilities(images).argmax(1)
