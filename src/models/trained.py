"""A trained model in a file that says what it is."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from src import artifacts
from src.errors import InputError
from src.models.base import Classifier
from src.models.registry import create_model


@dataclass(frozen=True)
class TrainedModel:
    """A model with what it takes to build it again; `classes` are in the order of its logits."""

    model: Classifier
    name: str
    norm: str
    classes: tuple[str, ...]


def save_trained(trained: TrainedModel, path: Path = artifacts.TRAINED_MODEL) -> None:
    """Write weights, fp32 on the CPU, and description; the same content gives the same bytes."""
    # clone, because a 1×1 convolution counts as contiguous with either order of strides.
    weights = {
        key: value.cpu().clone(memory_format=torch.contiguous_format)
        for key, value in trained.model.state_dict().items()
    }
    content = {
        "name": trained.name,
        "norm": trained.norm,
        "classes": list(trained.classes),
        "weights": weights,
    }
    # Through memory: given a path, torch would write its (temporary) name into the file.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with artifacts.atomic_file(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_trained(path: Path = artifacts.TRAINED_MODEL, of: Sequence[str] | None = None) -> TrainedModel:
    """Read a trained model; nothing in the file is executed.

    Args:
        path: the file.
        of: the classes that it has to know, in the order of the dataset's labels.

    Raises:
        InputError: the file is missing, damaged, of a model that is not known here, or of other classes.
    """
    try:
        content = torch.load(artifacts.require(path), map_location="cpu", weights_only=True)
        name, norm, classes = content["name"], content["norm"], tuple(content["classes"])
        model = create_model(name, len(classes), norm)
        model.load_state_dict(content["weights"])
    except InputError:
        raise
    except Exception as error:  # a damaged file can make torch raise almost anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: damaged, or not a model of this pipeline ({reason}); {artifacts.REMEDY}"
        ) from error
    if of is not None and classes != tuple(of):
        raise InputError(
            f"{path}: knows the classes {', '.join(classes)}, not {', '.join(of)}; {artifacts.REMEDY}"
        )
    return TrainedModel(model, name, norm, classes)
