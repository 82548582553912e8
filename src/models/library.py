"""The networks of torchvision and timm, each with a last layer for the classes at hand."""

from collections.abc import Callable
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from src.errors import InputError
from src.models import downloads, library_sizes, stems, weights
from src.models.base import Classifier
from src.models.cam_maps import add_taps


class LibraryModel(Classifier):
    """A library's network up to its features, then a linear layer.

    Args:
        backbone: gives features (N, features).
        features: how many there are.
        classes: how many classes to tell apart.
        cam_layers: names of modules in `backbone` or `maps`.
        maps: see `src.models.cam_maps`.
    """

    # Of a frozen EfficientNet the maps of the last stage, 7×7, pointed at the object; those of 14×14 before
    # were no better than random.
    min_map = 4

    def __init__(
        self,
        backbone: nn.Module,
        features: int,
        classes: int,
        cam_layers: tuple[str, ...],
        maps: nn.ModuleDict,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.maps = maps
        self.cam_layers = cam_layers
        self.linear = nn.Linear(features, classes)

    def features(self, images: Tensor) -> Tensor:
        return self.backbone(images)


def create_library_model(
    model: str, classes: int, size: int | None, stem: str, source: str, log: Callable[[str], None] = print
) -> LibraryModel:
    """Build a network of a library.

    Args:
        model: `torchvision/NAME` or `timm/NAME`.
        classes: how many classes to tell apart.
        size: side of the images in pixels; None: what the network was made for.
        stem: `original`; `small`, see `src.models.stems`; `auto`: small below `stems.SMALL` pixels.
        source: of the weights: `none`, `default` (the library's own), or a file.
        log: is told what was loaded.

    Raises:
        InputError: there is no such network, it does not take images of this size, it has no stem to change,
            or the weights are missing, damaged, or of another network.
    """
    library, name = library_sizes.split_name(model)
    size = size or library_sizes.native_size(model)
    build = _build_torchvision if library == "torchvision" else _build_timm
    backbone, full = build(model, name, size, source)
    statistics = library_sizes.native(model) if source != "none" else None
    if source != "none" and not (library == "timm" and source == "default"):
        content = weights.read(downloads.fetch_torchvision(name) if source == "default" else source)
        log(f"weights: {weights.load_backbone(backbone, full, content, model, size)}")
        statistics = weights.statistics(content) or statistics
    _make_deterministic(backbone)
    backbone.eval()
    example = _example(backbone, size)
    features = _count_features(backbone, example, model)
    small = stem == "small" or (stem == "auto" and size < stems.SMALL)
    if small:
        changed = not library_sizes.has_fixed_size(model) and stems.make_small(backbone, example)
        if stem == "small" and not changed:
            raise InputError(
                f"stem: 'small', but {model} has no strided first convolution that could keep the size of "
                "the image; set stem to original"
            )
    cam_layers, maps = add_taps(backbone, example)
    made = LibraryModel(backbone, features, classes, cam_layers, maps).train()
    made.pretrained, made.statistics = source != "none", statistics
    return made


def _build_torchvision(model: str, name: str, size: int, source: str) -> tuple[nn.Module, weights.Shapes]:
    """The network without its last linear layer, and the shapes of all its weights with it."""
    from torchvision.models import get_model

    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        # With `transform_input` a pretrained one takes the statistics of the others; an untrained one
        # does not mind, and what is stored need not tell the two apart.
        options = {"aux_logits": False, "init_weights": True, "transform_input": True}
    elif name.startswith("vit_"):
        options = {"image_size": size}
    elif name.startswith("maxvit_"):
        options = {"input_size": (size, size)}
    try:
        network = get_model(name, weights=None, **options)
    except Exception as error:  # its sizes do not fit
        raise _wrong_size(model, size, error) from error
    full = weights.shapes(network)
    if name.startswith("squeezenet"):
        # Its classifier is a convolution before the mean over pixels; a linear one can as well come behind.
        network.classifier = nn.Sequential(nn.Dropout(), nn.AdaptiveAvgPool2d(1))
        return network, full
    last = [key for key, module in network.named_modules() if isinstance(module, nn.Linear)][-1]
    network.set_submodule(last, nn.Identity())
    return network, full


def _build_timm(model: str, name: str, size: int, source: str) -> tuple[nn.Module, weights.Shapes]:
    import timm

    create: Callable[..., nn.Module] = timm.create_model
    options: dict[str, Any] = {"num_classes": 0}
    config = library_sizes.timm_config(name)
    if source == "default":
        path = downloads.fetch_timm(model, config)
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"file": str(path)}}
        if config.hf_hub_id and config.custom_load != "hf":
            options["pretrained_cfg_overlay"]["custom_load"] = False  # what the hub has is converted already
    resized = config.fixed_input_size and size != config.input_size[-1]
    try:
        try:
            network = create(name, **options | ({"img_size": size} if resized else {}))
        except TypeError as error:
            if "img_size" not in str(error):
                raise
            network = create(name, **options)  # whether it takes the size is tried below
    except Exception as error:  # its sizes do not fit
        raise _wrong_size(model, size, error) from error
    if source in ("none", "default"):
        return network, {}
    with torch.device("meta"):
        try:
            full = create(name)
        except Exception:  # a few compute with weights while they are built
            return network, weights.shapes(network)
    return network, weights.shapes(full)


class AveragePool(nn.Module):
    """Adaptive average pooling as two products of matrices: its own backward pass on CUDA varies."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, maps: Tensor) -> Tensor:
        if maps.shape[2:] == (self.rows, self.columns):
            return maps
        rows = _means(maps.shape[2], self.rows).to(maps)
        columns = _means(maps.shape[3], self.columns).to(maps)
        return rows @ maps @ columns.T


def _means(inputs: int, outputs: int) -> Tensor:
    """(outputs, inputs): each row takes the mean over its part of the inputs; parts may overlap."""
    means = torch.zeros(outputs, inputs)
    for number in range(outputs):
        start, end = number * inputs // outputs, ceil((number + 1) * inputs / outputs)
        means[number, start:end] = 1 / (end - start)
    return means


def _make_deterministic(backbone: nn.Module) -> None:
    for name, module in list(backbone.named_modules()):
        if type(module) is nn.AdaptiveAvgPool2d:
            wanted = module.output_size
            rows, columns = wanted if isinstance(wanted, tuple) else (wanted, wanted)
            if rows is not None and columns is not None and (rows, columns) != (1, 1):
                backbone.set_submodule(name, AveragePool(rows, columns))


def _example(backbone: nn.Module, size: int) -> Tensor:
    device = next(backbone.parameters()).device
    if device.type == "meta":
        return torch.zeros(1, 3, size, size, device=device)
    # Of a generator of its own: building a network should not depend on the size of images.
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)


def _count_features(backbone: nn.Module, example: Tensor, model: str) -> int:
    size = example.shape[-1]
    with torch.no_grad():
        try:
            features = backbone(example)
        except Exception as error:  # libraries raise almost anything where sizes do not fit
            raise _wrong_size(model, size, error, backbone) from error
    if not isinstance(features, Tensor) or features.dim() != 2:
        raise InputError(f"model: {model} returns no feature vector, so it cannot be used here")
    return features.shape[1]


def _takes(backbone: nn.Module, size: int) -> bool:
    try:
        with torch.no_grad():
            backbone(_example(backbone, size))
    except Exception:
        return False
    return True


def _wrong_size(model: str, size: int, error: Exception, backbone: nn.Module | None = None) -> InputError:
    native = library_sizes.native_size(model)
    fixed = library_sizes.has_fixed_size(model)
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    if backbone is not None and not fixed:
        larger = next((other for other in range(size + 1, native) if _takes(backbone, other)), native)
        return InputError(
            f"images.size: {model} takes no {size}×{size} images; set images.size to {larger} or more"
        )
    return InputError(
        f"images.size: {model} takes no {size}×{size} images ({reason}); it was made for {native}×{native}: "
        f"set images.size to {native}"
    )
