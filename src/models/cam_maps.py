"""Which layers of a library's network Grad-CAM can explain, and maps of those that give none themselves.

Transformers hand on tokens (N, tokens, C), some networks channels-last maps (N, H, W, C). A `MapTap` on such
a block turns what it gives into maps (N, C, H, W) and back, so that whoever hooks the tap sees maps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt

import torch
from torch import Tensor, nn

MOST_LAYERS = 4  # depths that are worth a picture each
CONTAINERS = (
    "features",
    "layers",
    "trunk_output",
    "blocks",
    "encoder.layers",
)  # torchvision's, of the stages


class MapTap(nn.Module):
    """Shows the output of a block as maps; has no parameters and changes no result.

    Args:
        prefix: tokens before those of the picture; None for channels-last maps.
    """

    def __init__(self, prefix: int | None) -> None:
        super().__init__()
        self.prefix = prefix

    def forward(self, maps: Tensor) -> Tensor:
        return maps

    def hook(self, _module: nn.Module, _args: tuple, output: Tensor) -> Tensor | None:
        """To be registered on the block. A bound method, so that a deep copy of a model has its own taps."""
        if not self._forward_hooks and not self._forward_pre_hooks:
            return None  # nobody is looking
        if self.prefix is None:
            return self(output.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        before, tokens = output[:, : self.prefix], output[:, self.prefix :]
        side = isqrt(tokens.shape[1])
        maps = self(tokens.transpose(1, 2).unflatten(2, (side, side)))
        return torch.cat([before, maps.flatten(2).transpose(1, 2)], 1)


@dataclass(frozen=True)
class Candidate:
    """A layer with maps: `prefix` as for `MapTap`, or -1 for maps as they should be."""

    name: str
    prefix: int | None
    side: int


def add_taps(backbone: nn.Module, example: Tensor) -> tuple[tuple[str, ...], nn.ModuleDict]:
    """Find the layers worth a map, and put taps on those that need one.

    Args:
        backbone: a library's network in evaluation mode.
        example: one image (1, 3, size, size).

    Returns:
        Names, shallow to deep, of modules beneath one that has the network as `backbone` and the taps as
        `maps`; and these taps.
    """
    layers: list[Candidate] = []
    for names in (_declared(backbone), _shallow(backbone)):
        layers = _choose(_measure(backbone, names, example))
        if layers:
            break
    taps, cam_layers = nn.ModuleDict(), []
    for layer in layers:
        if layer.prefix == -1:
            cam_layers.append(f"backbone.{layer.name}")
            continue
        tap, key = MapTap(layer.prefix), layer.name.replace(".", "_")
        backbone.get_submodule(layer.name).register_forward_hook(tap.hook)
        taps[key] = tap
        cam_layers.append(f"maps.{key}")
    return tuple(cam_layers), taps


def _declared(backbone: nn.Module) -> list[str]:
    """Where stages end: as timm declares it; in torchvision the members of what holds the stages."""
    info = getattr(backbone, "feature_info", None)
    modules = dict(backbone.named_modules())
    if info is not None:
        stages = info.info if hasattr(info, "info") else info
        return [stage["module"] for stage in stages if stage["module"] in modules and stage["module"]]
    for container in CONTAINERS:
        if container in modules:
            before = [name for name, _ in backbone.named_children() if name == "stem"]
            return before + [f"{container}.{name}" for name, _ in modules[container].named_children()]
    return [name for name, _ in backbone.named_children()]


def _shallow(backbone: nn.Module) -> list[str]:
    """Modules not too deep in the tree: candidates where nothing is declared."""
    return [name for name, _ in backbone.named_modules() if name and name.count(".") < 3]


def _measure(backbone: nn.Module, names: Sequence[str], example: Tensor) -> list[Candidate]:
    """Those of the layers that have maps which the features depend on, in the order they are computed in."""
    outputs: dict[str, Tensor] = {}
    versions: dict[str, int] = {}
    called: list[str] = []

    def record(name: str, output: object) -> None:
        called.append(name)
        if isinstance(output, Tensor) and output.requires_grad and output.dim() in (3, 4):
            outputs[name], versions[name] = output, output._version

    hooks = [
        backbone.get_submodule(name).register_forward_hook(
            lambda _module, _args, output, name=name: record(name, output)
        )
        for name in names
    ]
    with torch.enable_grad():
        features = backbone(example)
    for hook in hooks:
        hook.remove()
    # Not what is computed several times, nor what the next layer overwrites.
    kept = [n for n in outputs if called.count(n) == 1 and outputs[n]._version == versions[n]]
    if not kept:
        return []
    # Weighted, because the sum behind a layer norm is a constant.
    weights = torch.linspace(1, 2, features.shape[1], device=features.device).sin()
    tensors = [outputs[name] for name in kept]
    gradients = torch.autograd.grad((features * weights).sum(), tensors, allow_unused=True)
    found = [
        _candidate(backbone, name, output, gradient)
        for name, output, gradient in zip(kept, tensors, gradients, strict=True)
    ]
    return [candidate for candidate in found if candidate is not None and candidate.side > 1]


def _candidate(backbone: nn.Module, name: str, output: Tensor, gradient: Tensor | None) -> Candidate | None:
    if gradient is None or isinstance(backbone.get_submodule(name), nn.AdaptiveAvgPool2d):
        return None
    prefix: int | None = -1
    if output.dim() == 4:
        rows, columns, last = output.shape[1:]
        if columns != last:
            if rows != columns:
                return None
            prefix = None
        side = columns
    else:
        tokens = output.shape[1]
        possible = [getattr(backbone, "num_prefix_tokens", None) or 0, 0, 1, 2]
        squares = [n for n in possible if n < tokens and isqrt(tokens - n) ** 2 == tokens - n]
        if not squares:
            return None
        prefix = squares[0]
        side, gradient = isqrt(tokens - prefix), gradient[:, prefix:]
    # The class token alone is used of a vision transformer's last block: the others' gradient is zero there.
    if not gradient.is_meta and not gradient.any():
        return None
    return Candidate(name, prefix, side)


def _choose(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The last of each resolution, the deepest few; if there is one resolution, some at equal distances."""
    last = {candidate.side: candidate for candidate in candidates}
    if len(last) > 1 or len(candidates) <= MOST_LAYERS:
        kept = [candidate for candidate in candidates if candidate in last.values()]
        return kept[-MOST_LAYERS:] if len(last) > 1 else list(candidates)
    count = len(candidates)
    return [candidates[count * number // MOST_LAYERS - 1] for number in range(1, MOST_LAYERS + 1)]
