"""What is known about the networks of torchvision and timm without building them.

Torch is imported only where a library is asked, so that stages without torch may ask for a size.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

from src.errors import InputError

LIBRARIES = ("torchvision", "timm")
# They have one position embedding or one window for each place in the picture.
FIXED_IN_TORCHVISION = ("vit_", "maxvit_")


@dataclass(frozen=True)
class Statistics:
    """How the images looked that weights were trained on.

    Attributes:
        mean: of red, green, blue in 0–1.
        std: likewise.
        size: side of the images in pixels.
        interpolation: `bilinear` or `bicubic`.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: int
    interpolation: str


def is_library_model(model: str) -> bool:
    """Whether a name stands for a network of a library: `torchvision/NAME`, `timm/NAME`."""
    return model.partition("/")[0] in LIBRARIES and "/" in model


def split_name(model: str) -> tuple[str, str]:
    """Library and network, e.g. `timm/resnet18.a1_in1k` → `timm`, `resnet18.a1_in1k`.

    Raises:
        InputError: there is no such network.
    """
    library, _, name = model.partition("/")
    known = known_names(library)
    network, dot, tag = name.partition(".")
    if network not in known or (dot and library == "torchvision"):
        raise InputError(
            f"model: {library} has no classification network {name!r}; {_nearest(network, known)}"
        )
    if dot:
        from timm.models import list_pretrained

        tags = [full.partition(".")[2] for full in list_pretrained(f"{network}.*")]
        if tag not in tags:
            raise InputError(
                f"model: {library} has no weights {tag!r} for {network}; it has {', '.join(tags) or 'none'}"
            )
    return library, name


@cache
def known_names(library: str) -> tuple[str, ...]:
    """Every classification network of the installed library."""
    if library == "torchvision":
        from torchvision import models

        return tuple(models.list_models(module=models))
    from timm import list_models

    return tuple(list_models())


def native(model: str) -> Statistics:
    """What the library's own weights for a network were trained with, whether or not they are used.

    Raises:
        InputError: there is no such network.
    """
    library, name = split_name(model)
    if library == "torchvision":
        from torchvision.models import get_model_weights

        transforms = get_model_weights(name).DEFAULT.transforms()
        size, interpolation = transforms.crop_size[0], transforms.interpolation.value
        return Statistics(tuple(transforms.mean), tuple(transforms.std), size, _known(interpolation))
    config = timm_config(name)
    return Statistics(
        tuple(config.mean), tuple(config.std), config.input_size[-1], _known(config.interpolation)
    )


def native_size(model: str) -> int:
    """The side of the images that the network was made for, in pixels."""
    if split_name(model)[0] == "torchvision" and has_fixed_size(model):
        return 224
    return native(model).size


def has_fixed_size(model: str) -> bool:
    """Whether the network has to be built for the size of its images."""
    library, name = split_name(model)
    if library == "torchvision":
        return name.startswith(FIXED_IN_TORCHVISION)
    return bool(timm_config(name).fixed_input_size)


def input_size(model: str, weights: str) -> tuple[int, str] | None:
    """The size and interpolation that fit a model best.

    Args:
        model: as in params.yaml.
        weights: `none`, `default`, or a file, which counts as trained like the library's own.

    Returns:
        Pixels, and `bilinear` or `bicubic`; None where the model leaves the choice to the images.

    Raises:
        InputError: there is no such network.
    """
    if not is_library_model(model):
        return None
    if weights == "none":
        return (native_size(model), "bicubic") if has_fixed_size(model) else None
    known = native(model)
    return known.size, known.interpolation


def timm_config(name: str) -> Any:
    """Timm's description of a network's weights, of those it was made for if it has none."""
    from timm.models import PretrainedCfg, get_pretrained_cfg

    return get_pretrained_cfg(name) or PretrainedCfg()


def tensorflow_twin(model: str) -> str | None:
    """A network that the same weights fit, but that pads as TensorFlow does: its answers are others."""
    library, _, name = model.partition("/")
    twin = f"tf_{name.partition('.')[0]}"
    return f"{library}/{twin}" if library == "timm" and twin in known_names(library) else None


def _known(interpolation: str) -> str:
    return interpolation if interpolation in ("bilinear", "bicubic") else "bicubic"


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else "see its documentation"
