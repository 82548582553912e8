"""Grad-CAM: which parts of an image speak for a class.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", 2017.
"""

from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torch.nn import functional as F

from src.errors import InputError, suggest
from src.models.base import Classifier

SMALLEST = 8  # pixels; a smaller map points at quarters of the picture rather than at parts of the object


@dataclass(frozen=True)
class Layer:
    """A layer whose maps can be drawn, with their native size in pixels."""

    name: str
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.name} ({self.height}×{self.width})"


def find_layer(model: nn.Module, name: str, example: Tensor) -> Layer:
    """Look a layer up and measure its maps.

    Args:
        model: in evaluation mode.
        name: as in `model.named_modules()`, e.g. `layer3` or `layer3.0.conv1`.
        example: one normalised image (1, 3, H, W).

    Raises:
        InputError: there is no such layer, it is not used, or it has no height and width.
    """
    modules = dict(model.named_modules())
    if not name or name not in modules:
        top = [child for child, _ in model.named_children()]
        raise InputError(f"gradcam.layers: no layer {name!r}; {suggest(name, top)}")
    outputs: list[Tensor] = []
    hook = modules[name].register_forward_hook(lambda *args: outputs.append(args[2]))
    with torch.inference_mode():
        model(example)
    hook.remove()
    if not outputs or outputs[0].dim() != 4:
        raise InputError(
            f"gradcam.layers: {name!r} has no map with a height and a width; "
            f"{suggest(name, getattr(model, 'cam_layers', ()))}"
        )
    return Layer(name, *outputs[0].shape[2:])


def default_layers(model: Classifier, example: Tensor) -> tuple[list[Layer], list[Layer]]:
    """The layers to explain when none is named.

    Returns:
        All of the model's `cam_layers` with maps of at least `SMALLEST` pixels, shallow to deep; and the
        deepest of them alone, as a list.
    """
    layers = [find_layer(model, name, example) for name in model.cam_layers]
    large = [layer for layer in layers if min(layer.height, layer.width) >= SMALLEST]
    return large, large[-1:]


def gradcam(model: nn.Module, layer: Layer, images: Tensor, targets: np.ndarray) -> np.ndarray:
    """One map an image: the layer's channels, weighted by the mean gradient of the target's logit.

    Negative evidence is kept (the paper's ReLU is left to whoever draws the map), so that maps can be added
    up and compared.

    Args:
        model: in evaluation mode, fp32, on the device of `images`.
        layer: from `find_layer`.
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
