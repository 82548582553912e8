"""Weights that a network starts from: a library's own, or those in a file."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from src import places
from src.errors import InputError
from src.models.library_sizes import Statistics, tensorflow_twin

Shapes = dict[str, tuple[int, ...]]
WRAPPERS = ("state_dict", "model", "weights", "model_state_dict", "state_dict_ema", "model_ema", "net")
PREFIXES = ("module.", "_orig_mod.", "model.", "backbone.")
COUNTERS = "num_batches_tracked"  # absent in old files, and of no use
IN_ORDER = " in their order, as the names differ"
SIDE_BRANCHES = ("aux1.", "aux2.", "AuxLogits.")  # GoogLeNet's and Inception's, for training alone


def shapes(network: nn.Module) -> Shapes:
    """Of all that a network stores, in its order."""
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def read(path: str | Path) -> dict[str, Any]:
    """The content of a file; nothing in it is executed.

    Raises:
        InputError: the file is missing or damaged, or holds something else.
    """
    file = places.given(path)
    if not file.is_file():
        raise InputError(
            f"weights: {str(path)!r} is not a file; should be none, default, or a file with weights"
        )
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can make torch raise almost anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"weights: {path}: damaged, or not a plain state dict as written by torch.save or safetensors "
            f"({reason[:200]})"
        ) from error
    if not isinstance(content, Mapping):
        raise InputError(f"weights: {path}: holds a {type(content).__name__}, not a state dict")
    return dict(content)


def state_dict(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights in what a file held: unwrapped, and without what wrappers put before the names.

    Raises:
        InputError: there are none.
    """
    for _ in range(3):
        inside = [content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)]
        if not inside:
            break
        content = inside[0]
    state = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise InputError("weights: the file holds no weights")
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def statistics(content: Mapping[str, Any]) -> Statistics | None:
    """Of the images that a model was trained on, where the file is one of this pipeline's; else None."""
    if not {"name", "mean", "std", "preprocessing"} <= set(content):
        return None
    how = content["preprocessing"]
    return Statistics(tuple(content["mean"]), tuple(content["std"]), how["size"], how["interpolation"])


def load_backbone(
    backbone: nn.Module, full: Shapes, content: Mapping[str, Any], model: str, size: int
) -> str:
    """Put weights into a network; its last layer starts anew.

    Args:
        backbone: without the last layer.
        full: the shapes of all weights of the network with its last layer, in order.
        content: what a file held, see `read`.
        model: the network's name.
        size: side of the images in pixels.

    Returns:
        What was done, in a line.

    Raises:
        InputError: the weights are of another network.
    """
    if "name" in content and "weights" in content and content["name"] != model:
        raise InputError(f"weights: the file is of a model {content['name']}, not {model}")
    state = state_dict(content)
    state = {key.removeprefix("backbone."): value for key, value in state.items()}
    wanted = shapes(backbone)
    head = {"linear.weight", "linear.bias"} | (set(full) - set(wanted))
    for way, candidate in _ways(backbone, full, state, size):
        if not any(_differences(wanted, head, candidate)):
            twin = tensorflow_twin(model)
            if twin and way == IN_ORDER:
                raise InputError(
                    f"weights: fit {twin} as well, which pads differently, and their names do not tell which "
                    f"is right; those of TensorFlow's EfficientNets need it: set model to {twin}"
                )
            backbone.load_state_dict(
                {key: candidate[key] for key in wanted if key in candidate}, strict=False
            )
            heads = sum(key in head for key in candidate)
            remark = f"; if they are TensorFlow's, {twin} is the right model" if twin else ""
            return (
                f"{_count(wanted)} tensors loaded{way}, {heads} of the last layer left out, which starts anew"
                f"{remark}"
            )
    raise _mismatch(model, wanted, head, state)


def load_own(model: nn.Module, content: Mapping[str, Any], name: str) -> str:
    """As `load_backbone`, for a model of Blindspot's; the last layer is called `linear`."""
    if "name" in content and "weights" in content and content["name"] != name:
        raise InputError(f"weights: the file is of a model {content['name']}, not {name}")
    state = state_dict(content)
    wanted = {key: shape for key, shape in shapes(model).items() if not key.startswith("linear.")}
    head = {"linear.weight", "linear.bias"}
    if any(_differences(wanted, head, state)):
        raise _mismatch(name, wanted, head, state)
    model.load_state_dict({key: state[key] for key in wanted if key in state}, strict=False)
    return f"{_count(wanted)} tensors loaded, the last layer starts anew"


def _count(wanted: Shapes) -> int:
    return sum(not key.endswith(COUNTERS) for key in wanted)


def _ways(
    backbone: nn.Module, full: Shapes, state: dict[str, Tensor], size: int
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The weights under the names of the network: as they are, as the library converts them, in order."""
    yield "", state
    converted = _converted(backbone, state, size)
    if converted is not None:
        yield ", converted by the library", converted
    usable = [key for key in state if not key.endswith(COUNTERS)]
    ordered = [key for key in full if not key.endswith(COUNTERS)]
    if len(usable) == len(ordered):
        yield (
            IN_ORDER,
            {new: state[old] for new, old in zip(ordered, usable, strict=True)},
        )


def _converted(backbone: nn.Module, state: dict[str, Tensor], size: int) -> dict[str, Tensor] | None:
    """Other names, and position embeddings for other sizes; None where the library has no way to do so."""
    module = sys.modules[type(backbone).__module__]
    try:
        if hasattr(module, "interpolate_embeddings"):  # torchvision's vision transformer
            return dict(module.interpolate_embeddings(size, backbone.patch_size, dict(state)))
        convert = getattr(module, "checkpoint_filter_fn", None) or getattr(module, "_filter_fn", None)
        return dict(convert(dict(state), backbone)) if convert else None
    except Exception:  # it is no file of the kind that is converted
        return None


def _differences(
    wanted: Shapes, head: set[str], state: Mapping[str, Tensor]
) -> tuple[list[str], list[str], list[str]]:
    """Names that are missing, that are too many, and whose shapes differ; the last layer's do not count."""
    missing = [key for key in wanted if key not in state and not key.endswith(COUNTERS)]
    unexpected = [
        key
        for key in state
        if key not in wanted
        and key not in head
        and not key.startswith(SIDE_BRANCHES)
        and not key.endswith(COUNTERS)
    ]
    shaped = [key for key, shape in wanted.items() if key in state and tuple(state[key].shape) != shape]
    return missing, unexpected, shaped


def _mismatch(model: str, wanted: Shapes, head: set[str], state: Mapping[str, Tensor]) -> InputError:
    missing, unexpected, shaped = _differences(wanted, head, state)
    examples = (
        [f"{key} is missing" for key in missing[:1]]
        + [f"{key} is not known" for key in unexpected[:1]]
        + [
            f"{key} is {'×'.join(map(str, state[key].shape))}, not {'×'.join(map(str, wanted[key]))}"
            for key in shaped
        ]
        + [f"{key} is missing" for key in missing[1:]]
        + [f"{key} is not known" for key in unexpected[1:]]
    )
    return InputError(
        f"weights: of another network than {model}: of {_count(wanted)} tensors {len(missing)} are missing, "
        f"{len(shaped)} have another shape, {len(unexpected)} in the file are not known; "
        + "; ".join(examples[:3])
    )
