"""The layers of a model that have maps to look at."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from src.errors import InputError, suggest
from src.models.base import Classifier


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
        model: put into evaluation mode here and left there.
        name: as in `model.named_modules()`, e.g. `layer3` or `layer3.0.conv1`.
        example: one normalized image (1, 3, H, W).

    Raises:
        InputError: there is no such layer, it is not used, or it has no height and width.
    """
    modules = dict(model.named_modules())
    if not name or name not in modules:
        known = getattr(model, "cam_layers", ())
        raise InputError(f"gradcam.layers: no layer {name!r}; {suggest(name, known)}")
    outputs: list[Tensor] = []
    hook = modules[name].register_forward_hook(lambda *args: outputs.append(args[2]))
    with torch.inference_mode():
        model.eval()(example)
    hook.remove()
    if not outputs or outputs[0].dim() != 4:
        raise InputError(
            f"gradcam.layers: {name!r} has no map with a height and a width; "
            f"{suggest(name, getattr(model, 'cam_layers', ()))}"
        )
    return Layer(name, *outputs[0].shape[2:])


def model_layers(model: Classifier, example: Tensor) -> list[Layer]:
    """All that the model's `cam_layers` names, shallow to deep."""
    return [find_layer(model, name, example) for name in model.cam_layers]


def choose_layers(names: str | list[str], model: Classifier, example: Tensor) -> list[Layer]:
    """The layers to explain: those named; for `auto` the deepest with maps of at least the model's `min_map`
    pixels, or the deepest if none has.

    Raises:
        InputError: as `find_layer`.
    """
    if names != "auto":
        return [find_layer(model, name, example) for name in names]
    layers = model_layers(model, example)
    if not layers:
        raise InputError(
            "gradcam.layers: auto finds no layer with maps in this model at this size; name one, or set "
            "model or images.size to another"
        )
    large = [layer for layer in layers if min(layer.height, layer.width) >= model.min_map]
    return (large or layers)[-1:]
