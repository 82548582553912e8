"""A trained model in a file that says what it is."""

import io
from dataclasses import dataclass
from pathlib import Path

import torch

from src import artifacts, models
from src.errors import InputError
from src.models.base import Classifier


@dataclass(frozen=True)
class Checkpoint:
    """A model with what it takes to build it again; `classes` are in the order of its logits."""

    model: Classifier
    name: str
    norm: str
    classes: tuple[str, ...]


def save(checkpoint: Checkpoint, path: Path = artifacts.MODEL) -> None:
    """Write weights, fp32 on the CPU, and description; the same content gives the same bytes."""
    # clone, because a 1×1 convolution passes for contiguous with either order of strides.
    weights = {
        key: value.cpu().clone(memory_format=torch.contiguous_format)
        for key, value in checkpoint.model.state_dict().items()
    }
    content = {
        "name": checkpoint.name,
        "norm": checkpoint.norm,
        "classes": list(checkpoint.classes),
        "weights": weights,
    }
    # By way of memory: given a path, torch would write its (temporary) name into the file.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with artifacts.atomic_file(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: Path = artifacts.MODEL) -> Checkpoint:
    """Read a checkpoint; nothing in it is executed.

    Raises:
        InputError: the file is missing, damaged, or of a model that is not known here.
    """
    try:
        content = torch.load(artifacts.require(path), map_location="cpu", weights_only=True)
        name, norm, classes = content["name"], content["norm"], tuple(content["classes"])
        model = models.create(name, len(classes), norm)
        model.load_state_dict(content["weights"])
    except InputError:
        raise
    except Exception as error:  # a damaged file can make torch raise almost anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: damaged, or no model of this pipeline ({reason}); {artifacts.REMEDY}"
        ) from error
    return Checkpoint(model, name, norm, classes)
